import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumMCR

extension Command {
    static let embed = Command(
        name: "embed",
        summary: "embeddings of images and reports as .npy",
        usage: [
            "[--model MODEL] [--precision F] (--image F | --text T)… --out V.npy",
            "[--model MODEL] [--precision F] --manifest F [--shard I/N] --out V.npy",
        ],
        operands: [],
        options: [
            .value("model", "MODEL", "model folder, or 'builtin' (the default)", environment: "HILUM_MODEL"),
            .value("image", "FILE", "an image (PNG, JPEG, DICOM; '-' is standard input); may be given again"),
            .value("text", "TEXT", "a report or a phrase ('-' reads standard input); may be given more than once"),
            .value("manifest", "FILE", "a cases.jsonl; a case gives up to two rows, its image's and its report's"),
            .value("shard", "I/N", "only part I of N of the manifest (1/4, 2/4 …)"),
            .value(
                "precision", "F",
                "f32, or bf16 where the processor has avx512bf16; without, as the model's folder says (f32)"),
            .value("out", "V.npy", "where the vectors go, [rows, dimension] float32; the ids go to V.jsonl beside it"),
            .force, .quiet, .json,
        ],
        details: """
            Writes unit vectors in the common space of images and reports. Line i of the .jsonl says what row i of the .npy is:
            {"row":0,"id":"case-1","kind":"image"}. Rows that cannot be read are left out, named on standard error, and the exit
            status is 3. With --precision bf16 linear layers multiply in bfloat16 on a processor with avx512bf16, and on others in
            f32, which it says; such vectors are close to those of f32 (cosine above 0.999), but have a model id of their own.
            """,
        examples: [
            ("hilum embed --text 'left pleural effusion' --out query.npy", "one vector of a phrase"),
            ("hilum embed --manifest phantoms/cases.jsonl --shard 1/2 --out part1.npy", "the first half of a data set"),
        ],
        run: runEmbed)
}

/// An input that becomes one row.
private struct Row {
    enum Content {
        case image(ImageSource)
        case report(String)
    }

    let id: String
    let content: Content

    /// The file of an image; nil where none is named.
    var file: String? {
        if case .image(.file(let path)) = content { path } else { nil }
    }

    var kind: String {
        switch content {
        case .image: "image"
        case .report: "report"
        }
    }
}

/// The value of `--precision` if the processor supports it, otherwise f32; nil if it is not given.
private func nativePrecision(_ arguments: Arguments) throws -> MCRModel.Precision? {
    let wanted = try wantedPrecision(arguments)
    guard let wanted, !wanted.isNative else { return wanted }
    standardError("this processor has no avx512bf16; embedding in f32\n")
    return .f32
}

private func runEmbed(_ arguments: Arguments) throws -> ExitStatus {
    let output = try arguments.required("out")
    var refused: [(path: String, reason: String)] = []
    let rows = try wantedRows(arguments, &refused)
    let inputs = arguments.texts("manifest") + rows.compactMap(\.file)
    let vectorFile = try OutputFile(output, of: "embed", inputs: inputs, arguments)
    let names = (output.hasSuffix(".npy") ? String(output.dropLast(4)) : output) + ".jsonl"
    let nameFile = try OutputFile(names, of: "embed", inputs: inputs, arguments)
    let model = try loadModel(
        arguments.text("model") ?? builtinModelName, precision: try nativePrecision(arguments))
    var vectors: [Float] = []
    var written: [Row] = []
    Interruption.watch("stopping; what was embedded so far is not written")
    let progress = Progress("embed", total: rows.count, unit: "rows", quiet: arguments.has("quiet"))
    for start in stride(from: 0, to: rows.count, by: 32) {
        if Interruption.flag.isRaised { return .interrupted }
        let batch = Array(rows[start..<min(start + 32, rows.count)])
        let (values, kept) = try embed(batch, model, &refused)
        vectors += values
        written += kept
        progress.advance(by: batch.count)
    }
    progress.finish()
    try vectorFile.write(NumpyFile.bytes(vectors, columns: model.dimension))
    let lines = written.enumerated().map { index, row in
        JSON.object([("row", .integer(index)), ("id", .string(row.id)), ("kind", .string(row.kind))]).text + "\n"
    }
    try nameFile.write(Array(lines.joined().utf8))
    for (path, reason) in refused { standardError("refused: \(shown(path)): \(shown(reason))\n") }
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([
                ("out", .string(output)), ("ids", .string(names)), ("rows", .integer(written.count)),
                ("dimension", .integer(model.dimension)), ("model", .string(model.modelID)),
                ("precision", .string(model.precision.rawValue)),
                ("refused", .integer(refused.count)),
            ]).text)
    }
    return refused.isEmpty ? .done : .partlyDone
}

/// The requested rows, in the order of the command line.
private func wantedRows(_ arguments: Arguments, _ refused: inout [(path: String, reason: String)]) throws -> [Row] {
    let manifest = arguments.text("manifest")
    var rows: [Row] = []
    for (name, value) in arguments.given {
        switch (name, value) {
        case ("image", "-"?): rows.append(Row(id: "-", content: .image(.bytes(try readInput("-")))))
        case ("image", let path?): rows.append(Row(id: path, content: .image(.file(path))))
        case ("text", let text?): rows.append(Row(id: "text-\(rows.count + 1)", content: .report(try inputText(text))))
        default: break
        }
    }
    guard let manifest else {
        if rows.isEmpty { throw CommandError.usage("--image, --text or --manifest is missing") }
        if arguments.text("shard") != nil { throw CommandError.usage("--shard needs --manifest") }
        return rows
    }
    if !rows.isEmpty { throw CommandError.usage("--manifest excludes --image and --text") }
    let shard = try shard(arguments.text("shard") ?? "1/1")
    let read = try CaseFiles(source: manifest)
    showPassedOver(read.passedOver)
    refused = read.refused.map { ($0.source, $0.reason) }
    let count = read.cases.count
    for item in read.cases[(count * (shard.part - 1) / shard.count)..<(count * shard.part / shard.count)] {
        if let image = item.image { rows.append(Row(id: item.id, content: .image(image))) }
        if let report = item.report, !report.isEmpty { rows.append(Row(id: item.id, content: .report(report))) }
    }
    return rows
}

/// `I/N` with 1 ≤ I ≤ N.
private func shard(_ text: String) throws -> (part: Int, count: Int) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let part = parts[0], let count = parts[1], count >= 1, (1...count).contains(part) else {
        throw CommandError.usage("--shard needs I/N with I from 1 to N, not '\(text)'")
    }
    return (part, count)
}

/// The vectors of a batch in order, without unreadable rows.
private func embed(
    _ batch: [Row], _ model: MCRModel, _ refused: inout [(path: String, reason: String)]
) throws -> (vectors: [Float], rows: [Row]) {
    var images: [GrayImage] = []
    var reports: [String] = []
    var kept: [Row] = []
    for row in batch {
        do {
            switch row.content {
            case .image(.file(let path)): images.append(try ImageDecoder.decode(path: path))
            case .image(.bytes(let bytes)): images.append(try ImageDecoder.decode(bytes))
            case .report(let text): reports.append(text)
            }
            kept.append(row)
        } catch {
            refused.append((row.id, "\(error)"))
        }
    }
    let imageVectors = try model.embed(images: images, threads: defaultThreadCount)
    let reportVectors = try model.embed(reports: reports, threads: defaultThreadCount)
    var vectors: [Float] = []
    var nextImage = 0
    var nextReport = 0
    let dimension = model.dimension
    for row in kept {
        if case .image = row.content {
            vectors += imageVectors[(nextImage * dimension)..<((nextImage + 1) * dimension)]
            nextImage += 1
        } else {
            vectors += reportVectors[(nextReport * dimension)..<((nextReport + 1) * dimension)]
            nextReport += 1
        }
    }
    return (vectors, kept)
}
