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
            "[--model MODEL] [--precision F] --manifest F [--shard I/N] [--with WHAT] --out V.npy",
        ],
        operands: [],
        options: [
            .value("model", "MODEL", "model folder, or 'builtin' (the default)", environment: "HILUM_MODEL"),
            .value("image", "FILE", "an image (PNG, JPEG, DICOM; '-' is standard input); may be given again"),
            .value("text", "TEXT", "a report or a phrase ('-' reads standard input); may be given more than once"),
            .value(
                "manifest", "FILE",
                "a cases.jsonl or a folder; a case gives a row for each image and one for its report"),
            .value("shard", "I/N", "only part I of N of the cases (1/4, 2/4 …); the id of a case decides which"),
            .value(
                "precision", "F",
                "f32, or bf16 where the processor has avx512bf16; without, as the model's folder says (f32)"),
            CaseLine.value,
            .value("out", "V.npy", "where the vectors go, [rows, dimension] float32; the ids go to V.jsonl beside it"),
            .force, .quiet, .json,
        ],
        details: """
            Writes unit vectors in the common space of images and reports. Line i of the .jsonl says what row i of the .npy is:
            {"row":0,"id":"case-1","kind":"image"}, with "image":1 for the second image of a case. The first line also seals both files
            ("seal": model, part, and SHA-256 of each), so that 'hilum import' notices one that is damaged or missing. Rows that cannot be
            read are left out, named on standard error, and the exit status is 3.

            With --with, lines also hold the fields and the report of a case and the paths of its images, so that 'hilum import' stores whole
            cases; keep such files as safe as the reports. Only the vectors are made of reports as they are; the archive masks what it stores.

            The parts of --shard can be made on several machines, and 'hilum import' joins them in any order. The id of a case decides its
            part, so one more case moves no other. The files are written beside their place and renamed. A part that is there already, from
            the same cases and model, is left as it is; one of other cases, or one that is damaged, is made again in its place.

            With --precision bf16 linear layers multiply in bfloat16 on a processor with avx512bf16, and on others in
            f32, which it says; such vectors are close to those of f32 (cosine above 0.999), but have a model id of their own.
            """,
        examples: [
            ("hilum embed --text 'left pleural effusion' --out query.npy", "one vector of a phrase"),
            ("hilum embed --manifest phantoms/cases.jsonl --shard 1/2 --out part1.npy", "the first part of a data set"),
        ],
        run: runEmbed)
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
    let shard = try arguments.text("shard").map { try Shard($0) }
    let wanted = try EmbedRows(arguments, shard)
    let inputs = arguments.texts("manifest") + wanted.rows.compactMap(\.file)
    let names = (output.hasSuffix(".npy") ? String(output.dropLast(4)) : output) + ".jsonl"
    // The lines beside them say that the vectors are this part.
    let isOwn = shard.map { VectorSeal.read(names).map(\.shard) == $0.text } ?? false
    let isForced = isOwn || arguments.has(Option.force.name)
    let vectorFile = try OutputFile(output, of: "embed", inputs: inputs, isForced: isForced)
    let nameFile = try OutputFile(names, of: "embed", inputs: inputs, isForced: isForced)
    let model = try loadModel(
        arguments.text("model") ?? builtinModelName, precision: try nativePrecision(arguments))
    let digest = wanted.digest(model: model.modelID)
    if shard != nil, let seal = VectorSeal.ofWhole(vectors: output, lines: names), seal.inputs == digest {
        standardError("\(output): the part is there already and whole\n")
        if arguments.has("json") { show(seal, output, names, model, refused: 0, isUnchanged: true) }
        return .done
    }
    var refused = wanted.refused
    var vectors: [Float] = []
    var written: [EmbedRow] = []
    Interruption.watch("stopping; what was embedded so far is not written")
    let progress = Progress("embed", total: wanted.rows.count, unit: "rows", quiet: arguments.has("quiet"))
    for start in stride(from: 0, to: wanted.rows.count, by: 32) {
        if Interruption.flag.isRaised { return .interrupted }
        let batch = Array(wanted.rows[start..<min(start + 32, wanted.rows.count)])
        let (values, kept) = try embed(batch, model, &refused)
        vectors += values
        written += kept
        progress.advance(by: batch.count)
    }
    progress.finish()
    let bytes = NumpyFile.bytes(vectors, columns: model.dimension)
    let seal = VectorSeal(
        part: shard?.part ?? 1, partCount: shard?.count ?? 1, rowCount: written.count, dimension: model.dimension,
        model: model.modelID,
        // A part that lacks rows is not done.
        inputs: shard != nil && refused.isEmpty ? digest : nil, vectors: SHA256.hex(bytes))
    let lines = written.enumerated().map { $1.line($0, wanted.extras) + "\n" }.joined()
    // The lines first: whoever is interrupted between the two leaves lines that do not fit the vectors, and says so.
    let isPrivate = wanted.extras.hasFields || wanted.extras.hasReport
    try nameFile.write(seal.sealed(Array(lines.utf8)), isPrivate: isPrivate)
    try vectorFile.write(bytes, isPrivate: isPrivate)
    for (path, reason) in refused { standardError("refused: \(shown(path)): \(shown(reason))\n") }
    if arguments.has("json") { show(seal, output, names, model, refused: refused.count, isUnchanged: false) }
    return refused.isEmpty ? .done : .partlyDone
}

private func show(
    _ seal: VectorSeal, _ output: String, _ names: String, _ model: MCRModel, refused: Int, isUnchanged: Bool
) {
    standardOutputLine(
        JSON.object([
            ("out", .string(output)), ("ids", .string(names)), ("rows", .integer(seal.rowCount)),
            ("dimension", .integer(model.dimension)), ("model", .string(model.modelID)),
            ("precision", .string(model.precision.rawValue)),
            ("refused", .integer(refused)), ("unchanged", .bool(isUnchanged)),
        ]).text)
}

/// The vectors of a batch in order, without unreadable rows.
private func embed(
    _ batch: [EmbedRow], _ model: MCRModel, _ refused: inout [(path: String, reason: String)]
) throws -> (vectors: [Float], rows: [EmbedRow]) {
    var images: [GrayImage] = []
    var reports: [String] = []
    var kept: [EmbedRow] = []
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
