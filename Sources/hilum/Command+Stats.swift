import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let stats = Command(
        name: "stats",
        summary: "what an archive holds",
        usage: ["ARCHIVE [--json]"],
        operands: ["ARCHIVE"],
        options: [.json],
        details:
            "Counts cases, images, reports and vectors, and says which model they belong to and how large the store is.",
        examples: [("hilum stats archive", "a table of counts")],
        run: runStats)
}

private func runStats(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
