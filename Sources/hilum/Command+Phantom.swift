import Foundation
import HilumCore
import HilumPhantom

extension Command {
    static let phantom = Command(
        name: "phantom",
        summary: "draw synthetic chest radiographs with reports",
        usage: ["OUT --count N [--seed S] [--site A|B] [--side PIXELS]"],
        operands: ["OUT"],
        options: [
            .value("count", "N", "how many cases to draw", letter: "n"),
            .value("seed", "S", "the same seed gives the same bytes (default 1)"),
            .value("site", "A|B", "the hospital whose exposure and wording are imitated (default A)"),
            .value("side", "PIXELS", "width and height of an image (default 320)"),
            .quiet, .json,
        ],
        details: """
            Draws chest radiographs with anatomy and findings and writes the report a radiologist might have dictated.
            The folder OUT then holds images/*.png, reports/*.txt and cases.jsonl, which names for each case its findings with
            side, zone, size and box. Nothing in it stems from a patient. OUT can be given to 'hilum index' and 'hilum train'.
            """,
        examples: [("hilum phantom phantoms --count 200 --seed 7", "draws 200 cases of site A into ./phantoms")],
        run: runPhantom)
}

private func runPhantom(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
