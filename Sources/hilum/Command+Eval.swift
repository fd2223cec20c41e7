import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumMCR

extension Command {
    static let eval = Command(
        name: "eval",
        summary: "measure retrieval: recall, median rank, label precision",
        usage: ["(ARCHIVE | --model MODEL) --data DIR [--plots DIR] [--json]"],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: [
            .value("model", "MODEL", "a model folder, or 'builtin'"),
            .value(
                "data", "DIR", "folder with a cases.jsonl: every case with an image and a report is query and gallery"),
            .value("limit", "N", "only the first N cases"),
            .value("seed", "S", "seed of the bootstrap (default 1)"),
            .value("plots", "DIR", "draw recall curves and ranks as PNG"),
            .quiet, .json,
        ],
        details: """
            Gallery and queries are all cases of DIR that have both an image and a report; both directions are measured. A hit is the
            same case or one with an identical normalised report. Rank = 1 + strictly better + half of the tied others. The
            figures stand beside those of chance; the 95 % interval is a bootstrap over queries. 'index' says which part of the
            exact top ten the graph index finds, so that a loss of the index is told from a loss of the model.
            """,
        examples: [("hilum eval --model builtin --data phantoms --json", "the built-in model on drawn cases")],
        run: runEval)
}

private func runEval(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
