import Foundation
import HilumCore
import HilumPhantom

extension Command {
    static let phantom = Command(
        name: "phantom",
        summary: "draw synthetic chest radiographs with reports",
        usage: ["OUT --count N [--seed S] [--site A|B] [--side PIXELS] [--variety plain|film]"],
        operands: ["OUT"],
        options: [
            .value("count", "N", "how many cases to draw", letter: "n"),
            .value("seed", "S", "the same seed gives the same bytes (default 1)"),
            .value("site", "A|B", "the hospital whose exposure and wording are imitated (default: both in turn)"),
            .value("side", "PIXELS", "width and height of an image (default 256)"),
            .value(
                "variety", "plain|film",
                "film varies body, posture, exposure, texture and markers as real films do (default plain)"),
            .quiet, .json,
        ],
        details: """
            Draws chest radiographs with anatomy and findings and writes the report a radiologist might have dictated.
            The folder OUT then holds images/*.png, reports/*.txt and cases.jsonl, which names for each case its findings with
            side, zone, size and box. Nothing in it stems from a patient. OUT can be given to 'hilum index' and 'hilum train'.
            """,
        examples: [("hilum phantom phantoms --count 200 --seed 7", "draws 200 cases into ./phantoms")],
        run: runPhantom)
}

private func runPhantom(_ arguments: Arguments) throws -> ExitStatus {
    let folder = arguments.operands[0]
    guard let count = try arguments.integer("count", in: 1...10_000_000) else {
        throw CommandError.usage("--count is missing")
    }
    let sites = PhantomSite.allCases.map { $0.rawValue.uppercased() }
    let siteName = try arguments.choice("site", among: sites)
    let site = siteName.flatMap { name in PhantomSite.allCases.first { $0.rawValue.uppercased() == name } }
    let side = try arguments.integer("side", in: PhantomGenerator.sides) ?? 256
    let varieties = PhantomVariety.allCases.map(\.rawValue)
    let variety = try arguments.choice("variety", among: varieties).flatMap { PhantomVariety(rawValue: $0) } ?? .plain
    try OutputFolder.checkOutsideArchives(folder)
    let progress = Progress("phantom", total: count, unit: "cases", quiet: arguments.has("quiet"))
    let seed = try arguments.seed()
    let summary = try PhantomDataset.write(
        to: folder, count: count, seed: seed, site: site, side: side, variety: variety, progress: progress)
    progress.finish()
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([
                ("folder", .string(folder)), ("cases", .integer(summary.count)),
                ("files_written", .integer(summary.filesWritten)), ("seed", .string(String(seed))),
            ]).text)
    } else {
        standardOutputLine("\(folder): \(summary.count) cases, \(summary.filesWritten) files written")
    }
    return .done
}
