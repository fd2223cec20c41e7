import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let check = Command(
        name: "check",
        summary: "prove that store, vectors and graph agree",
        usage: ["ARCHIVE [--deep] [--json]"],
        operands: ["ARCHIVE"],
        options: [
            .flag("deep", "read every record and every vector, and search for each of them"),
            .json,
        ],
        details: """
            Reads the store in a process of its own, so that even damage that would end a process is reported in a sentence.
            Prints what is wrong, one line a finding, and exits 1; exits 0 and says so when nothing is.
            """,
        examples: [("hilum check archive --deep", "the full proof")],
        run: runCheck)
}

private func runCheck(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
