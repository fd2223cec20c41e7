import Foundation
import HilumCore
import HilumImaging
import HilumMCR

extension Command {
    static let embed = Command(
        name: "embed",
        summary: "embeddings of images and reports as .npy",
        usage: [
            "[--model MODEL] (--image F | --text T)… --out V.npy",
            "[--model MODEL] --manifest F [--shard I/N] --out V.npy",
        ],
        operands: [],
        options: [
            .value("model", "MODEL", "model folder, or 'builtin' (the default)", environment: "HILUM_MODEL"),
            .value("image", "FILE", "an image (PNG or JPEG; '-' reads standard input); may be given more than once"),
            .value("text", "TEXT", "a report or a phrase ('-' reads standard input); may be given more than once"),
            .value("manifest", "FILE", "a cases.jsonl; a case gives up to two rows, its image's and its report's"),
            .value("shard", "I/N", "only part I of N of the manifest (1/4, 2/4 …)"),
            .value("out", "V.npy", "where the vectors go, [rows, dimension] float32; the ids go to V.jsonl beside it"),
            .quiet, .json,
        ],
        details: """
            Writes unit vectors in the common space of images and reports. Line i of the .jsonl says what row i of the .npy is:
            {"row":0,"id":"case-1","kind":"image"}. Rows that cannot be read are left out, named on standard error, and the exit
            status is 3.
            """,
        examples: [
            ("hilum embed --text 'left pleural effusion' --out query.npy", "one vector of a phrase"),
            ("hilum embed --manifest phantoms/cases.jsonl --shard 1/2 --out part1.npy", "the first half of a data set"),
        ],
        run: runEmbed)
}

private func runEmbed(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
