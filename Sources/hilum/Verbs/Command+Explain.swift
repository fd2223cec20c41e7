import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumEmbedding
import HilumMCR

extension Command {
    static let explain = Command(
        name: "explain",
        summary: "show which parts of an image answer to which words of a text",
        usage: [
            "ARCHIVE (--image F | --id ID) --text T --out OUT.png [--json]",
            "--model MODEL --image F --text T --out OUT.png [--reference DIR] [--json]",
        ],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: [
            .value("image", "FILE", "an image, PNG, JPEG or DICOM ('-' reads standard input)", letter: "i"),
            .value("id", "ID", "the image of a stored case in place of --image"),
            .value("text", "TEXT", "a phrase or a report ('-' reads standard input)", letter: "t"),
            .value("out", "OUT.png", "the heat map with its colour bar, and the words marked", letter: "o"),
            .value("model", "MODEL", "a model folder, or 'builtin', in place of ARCHIVE"),
            .value("reference", "DIR", "with --model: images of this folder's cases to hold the evidence against"),
            .force, .json,
        ],
        details: """
            The cosine of image and text is a sum over pairs of a patch and a word, and is taken apart into them. What a patch at
            the same place brings in the archive's other images (up to 200) is taken off, and a text of at most twelve words is
            held against what is said when nothing is found; so the heat is what this image and this text have in common beyond
            the ordinary. With --json: {"score":…,"evidence":…,"rows":8,"columns":8,"hottest":{"row":…,"column":…,"x":…,"y":…,
            "width":…,"height":…},"heat":[…],"words":[{"word":…,"start":…,"end":…,"weight":…,"evidence":…,"hottest":…,
            "heat":[…]}]}, rectangles in pixels of the image as it was given, start and end in bytes of the text. noise is the
            most that a patch brings for invented words: below it the map is grey, and the colours end at four times as much. A heat
            map shows what the model answers to, not what is there. It is always computed in f32. Exits 4 when the case given with --id is not there.
            """,
        examples: [
            (
                "hilum explain archive --image new.png --text 'left pleural effusion' --out heat.png",
                "where the image answers to the words"
            )
        ],
        run: runExplain)
}

private func runExplain(_ arguments: Arguments) throws -> ExitStatus {
    let place = arguments.operands.first
    guard (place == nil) != (arguments.text("model") == nil) else {
        throw CommandError.usage(
            place == nil ? "ARCHIVE or --model is missing" : "ARCHIVE and --model exclude each other")
    }
    if arguments.text("reference") != nil && place != nil { throw CommandError.usage("--reference needs --model") }
    guard (arguments.text("image") == nil) != (arguments.text("id") == nil) else {
        throw CommandError.usage(
            arguments.text("id") == nil ? "--image or --id is missing" : "--image and --id exclude each other")
    }
    if arguments.text("id") != nil && place == nil { throw CommandError.usage("--id needs ARCHIVE") }
    let output = arguments.text("out")
    if output == nil && !arguments.has("json") { throw CommandError.usage("--out is missing") }
    let file = try output.map {
        let inputs = arguments.texts("image") + arguments.texts("reference")
        return try OutputFile($0, of: "explain", inputs: inputs, arguments)
    }
    let text = try inputText(try arguments.required("text"))
    if text.allSatisfy(\.isWhitespace) { throw CommandError.usage("--text is empty") }

    let image: GrayImage
    let explanation: Explanation
    if let place {
        let archive = try openArchive(place, .readOnly, withModel: true)
        defer { archive.close() }
        image = try givenImage(arguments, archive)
        explanation = try archive.explain(image, text: text)
    } else {
        let model = try loadModel(arguments.text("model") ?? builtinModelName)
        image = try givenImage(arguments, nil)
        let baseline = try arguments.text("reference").map { try reference($0, model) }
        if baseline == nil {
            standardError("without --reference the bare score is taken apart, which points less well\n")
        }
        explanation = try model.explain(image: image, text: text, baseline: baseline)
    }
    if let file { try file.write(picture: evidenceSheet(explanation, of: image).render(), isPrivate: true) }
    if arguments.has("json") {
        standardOutputLine(json(of: explanation).text)
    } else {
        standardOutput(summary(of: explanation))
    }
    return .done
}

private func givenImage(_ arguments: Arguments, _ archive: Archive?) throws -> GrayImage {
    if let id = arguments.text("id"), let archive {
        do {
            return try ImageDecoder.decode(try archive.imageBytes(of: id))
        } catch let error as ArchiveError where error.code == .notFound {
            throw CommandError(.notFound, error.description)
        }
    }
    let path = try arguments.required("image")
    let bytes = try readInput(path, limitInBytes: ImageLimits.standard.maxByteCount)
    do { return try ImageDecoder.decode(bytes) } catch { throw CommandError(.failed, "\(path): \(error)") }
}

/// The baseline of up to 200 images of a folder, evenly spread.
private func reference(_ folder: String, _ model: MCRModel) throws -> ExplanationBaseline {
    let cases = try CaseFiles(source: folder).cases
    var images: [GrayImage] = []
    let wanted = min(200, cases.count)
    for index in 0..<wanted {
        guard case .file(let path)? = cases[index * cases.count / wanted].image,
            let image = try? ImageDecoder.decode(path: path)
        else { continue }
        images.append(model.imageSide.map { image.resizedToFit(side: $0) } ?? image)
    }
    guard !images.isEmpty else { throw CommandError(.failed, "\(folder): there is no image that can be read") }
    return try model.baseline(images: images)
}

/// The evidence sheet of an explanation: heat map, maps of the leading words, and the text.
func evidenceSheet(_ explanation: Explanation, of image: GrayImage) -> EvidenceSheet {
    let grid = explanation.grid
    let held = explanation.referenceCount > 0 ? "held against \(explanation.referenceCount) images" : "no reference"
    let strength =
        explanation.isAboveNoise
        ? String(format: "grey: below %.4f, as for words that mean nothing", explanation.noise)
        : "no patch brings more than for words that mean nothing"
    return EvidenceSheet(
        title: String(format: "score %.3f", explanation.score),
        note: "what the model answers to, not what is there; \(held); \(strength)",
        image: image.cropped(to: grid.region).resizedToFit(side: 512), columns: grid.side, rows: grid.side,
        heat: explanation.heat, noise: explanation.noise,
        words: explanation.words.map { EvidenceSheet.Word(text: shown($0.text), total: $0.total, values: $0.evidence) })
}

private func json(of explanation: Explanation) -> JSON {
    let grid = explanation.grid
    func map(_ total: Float, _ heat: [Float]) -> [(key: String, value: JSON)] {
        let patch = grid.hottest(heat)
        let place = grid.rectangle(of: patch)
        return [
            ("evidence", .number(Double(total), decimals: 6)),
            (
                "hottest",
                .object([
                    ("row", .integer(patch / grid.side)), ("column", .integer(patch % grid.side)),
                    ("x", .integer(place.x)), ("y", .integer(place.y)), ("width", .integer(place.width)),
                    ("height", .integer(place.height)),
                ])
            ),
            ("heat", .array(heat.map { .number(Double($0), decimals: 6) })),
        ]
    }
    let words = explanation.words.map { word in
        JSON.object(
            [
                ("word", .string(word.text)), ("start", .integer(word.byteRange.lowerBound)),
                ("end", .integer(word.byteRange.upperBound)), ("weight", .number(Double(word.weight), decimals: 6)),
            ] + map(word.total, word.evidence))
    }
    return .object(
        [
            ("score", .number(Double(explanation.score), decimals: 6)), ("rows", .integer(grid.side)),
            ("columns", .integer(grid.side)), ("image_width", .integer(grid.imageWidth)),
            ("image_height", .integer(grid.imageHeight)), ("reference_images", .integer(explanation.referenceCount)),
            ("contrasted", .bool(explanation.isContrasted)), ("noise", .number(Double(explanation.noise), decimals: 6)),
            ("patch_weights", .array(explanation.patchWeights.map { .number(Double($0), decimals: 6) })),
        ] + map(explanation.total, explanation.heat) + [("words", .array(words))])
}

private func summary(of explanation: Explanation) -> String {
    let grid = explanation.grid
    let place = grid.rectangle(of: explanation.hottest)
    var table = TextTable([("word", .left), ("evidence", .right), ("hottest at x, y", .right)])
    for word in explanation.words {
        let place = grid.rectangle(of: grid.hottest(word.evidence))
        table.append([
            shown(word.text), String(format: "%.4f", word.total),
            "\(place.x + place.width / 2), \(place.y + place.height / 2)",
        ])
    }
    let times = explanation.noise > 0 ? explanation.heat[explanation.hottest] / explanation.noise : 0
    let strength =
        explanation.noise == 0
        ? ""
        : String(format: ", %.1f times what words that mean nothing draw", times)
            + (explanation.isAboveNoise ? "" : ": no evidence")
    return String(format: "score %.4f, ", explanation.score)
        + "hottest patch \(place.width) x \(place.height) pixels at \(place.x), \(place.y)\(strength)\n" + table.text
}
