import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let get = Command(
        name: "get",
        summary: "show a stored case",
        usage: ["ARCHIVE ID [--json]"],
        operands: ["ARCHIVE", "ID"],
        options: [.json],
        details:
            "Shows what is stored of a case: its metadata, findings and report. Exits 4 when there is no such case.",
        examples: [("hilum get archive phantom-a-00001 --json", "one case as a JSON object")],
        run: runGet)

    static let delete = Command(
        name: "delete",
        summary: "remove a case from an archive",
        usage: ["ARCHIVE ID"],
        operands: ["ARCHIVE", "ID"],
        options: [.json],
        details:
            "Removes a case and its vectors; it is gone from every later search. Exits 4 when there is no such case.",
        examples: [("hilum delete archive phantom-a-00001", "removes one case")],
        run: runDelete)
}

private func runGet(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}

private func runDelete(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
