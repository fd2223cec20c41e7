import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let index = Command(
        name: "index",
        summary: "store the cases of folders and manifests, in bulk",
        usage: ["ARCHIVE SOURCE… [--manifest F] [--jobs N] [--json]"],
        operands: ["ARCHIVE", "SOURCE"],
        allowsMoreOperands: true,
        optionalOperandCount: 1,
        options: [
            .value("manifest", "FILE", "a cases.jsonl or CSV file, in place of or beside SOURCE"),
            .value(
                "jobs", "N", "threads that read and encode (default: the cores)", letter: "j", environment: "HILUM_JOBS"
            ),
            .quiet, .json,
        ],
        details: """
            A SOURCE is a folder with a cases.jsonl, a folder of images and texts with equal stems, or a manifest (JSONL or CSV).
            A run that was stopped goes on where it was; what is stored already is reported as unchanged. The summary on standard
            output counts what was stored, unchanged and refused, and names each refused file with its reason. Exits 3 if any was
            refused. Ctrl-C ends the run after the batch it is at.
            """,
        examples: [("hilum index archive phantoms", "stores the cases of the folder ./phantoms")],
        run: runIndex)
}

private func runIndex(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
