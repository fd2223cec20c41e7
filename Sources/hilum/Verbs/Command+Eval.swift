import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumIndex
import HilumEvaluation
import HilumMCR
import HilumReports
import Synchronization

extension Command {
    static let eval = Command(
        name: "eval",
        summary: "measure retrieval: recall, median rank, label precision",
        usage: [
            "[ARCHIVE | --model MODEL] --data DIR [--mask-image P] [--mask-report P] [--mask-sweep]",
            "[ARCHIVE | --model MODEL] --data DIR [--plots DIR] [--json]",
        ],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: [
            .value("model", "MODEL", "a model folder, or 'builtin' (default, where no ARCHIVE is given)"),
            .value(
                "data", "DIR", "folder with a cases.jsonl: every case with an image and a report is query and gallery"),
            .value("limit", "N", "only the first N cases"),
            .value("seed", "S", "seed of the bootstrap and of the masks (default 1)"),
            .value("mask-image", "P", "hide P per cent of the patches of the images that ask (0 to 95)"),
            .value("mask-report", "P", "hide P per cent of the words of the reports that ask (0 to 95)"),
            .flag("mask-sweep", "recall with 0, 25, 50 and 75 per cent of each query hidden, and short queries"),
            .value(
                "plots", "DIR",
                "draw recall over the number of hits, how many queries have which rank, and recall over the hidden share, as PNG"
            ),
            .force, .quiet, .json,
        ],
        details: """
            Gallery and queries are all cases of DIR that have both an image and a report; both directions are measured. A hit is the
            same case or one with an identical normalised report. Rank = 1 + strictly better + half of the tied others. The
            figures stand beside those of chance; the 95 % interval is a bootstrap over queries. 'index' says which part of the
            exact top ten the graph index finds, so that a loss of the index is told from a loss of the model. Where cases name no
            findings, a second table of label precision goes by what all reports affirm (labels from reports). What asks is masked
            and the gallery is whole: hidden patches are dropped before the encoder, hidden words become [MASK] and are not pooled,
            as in training. --mask-sweep asks for images with short texts too: each finding in a phrase and in three words (all
            images with it are right), or three words in a row of each report where no findings are known.
            """,
        examples: [("hilum eval --model builtin --data phantoms --json", "the built-in model on drawn cases")],
        run: runEval)
}

private func runEval(_ arguments: Arguments) throws -> ExitStatus {
    let archive = arguments.operands.first
    let modelName = arguments.text("model") ?? (archive == nil ? builtinModelName : nil)
    if modelName != nil && archive != nil {
        throw CommandError.usage("ARCHIVE and --model are both given; it takes one, not both")
    }
    let data = try arguments.required("data")
    let limit = try arguments.integer("limit", in: 1...Int.max)
    let isQuiet = arguments.has("quiet")
    try RetrievalEvaluation.checkLibraries()
    let model = try modelName.map { try loadModel($0) } ?? loadModel(ofArchive: archive ?? "")
    let seed = try arguments.seed()
    let masks = try MaskPlan(arguments, seed: seed)
    if arguments.has("plots") && !masks.isSweep && (masks.image ?? 0) + (masks.report ?? 0) > 0 {
        throw CommandError.usage("--plots draws whole queries; with masks it needs --mask-sweep")
    }
    let plots = try EvaluationPlots(arguments, masks)
    let set = try EvaluationSet(folder: data, limit: limit, model: model, masks: masks, isQuiet: isQuiet)
    var cases = set.cases
    if let percent = masks.image, percent > 0 { cases.imageQueries = set.maskedImages[percent] }
    if let percent = masks.report, percent > 0 { cases.reportQueries = set.maskedReports[percent] }
    var evaluation = try RetrievalEvaluation(
        of: cases, model: model.modelID, index: RetrievalEvaluation.Index(recall10: try set.indexRecall()), seed: seed)
    evaluation.mask = masks.stated
    if masks.isSweep { try set.addSweep(to: &evaluation, model, masks) }
    if arguments.has("json") {
        standardOutputLine(evaluation.json.text)
    } else {
        standardOutput(text(of: evaluation))
    }
    if let plots { try set.writePlots(to: plots, evaluation) }
    for (path, reason) in set.refused { standardError("refused: \(shown(path)): \(shown(reason))\n") }
    return set.refused.isEmpty ? .done : .partlyDone
}

/// The pictures of `--plots`.
struct EvaluationPlots {
    let recall: OutputFile
    let ranks: OutputFile
    /// Only with `--mask-sweep`.
    let sweep: OutputFile?

    /// Makes the folder and checks both; nil without `--plots`.
    init?(_ arguments: Arguments, _ masks: MaskPlan) throws {
        guard let folder = arguments.text("plots") else { return nil }
        try OutputFolder.make(folder)
        let inputs = arguments.texts("data")
        recall = try OutputFile(folder + "/recall.png", of: "eval", inputs: inputs, arguments)
        ranks = try OutputFile(folder + "/ranks.png", of: "eval", inputs: inputs, arguments)
        sweep =
            masks.isSweep
            ? try OutputFile(folder + "/missing-information.png", of: "eval", inputs: inputs, arguments) : nil
    }
}

/// The embeddings of a data set's pairs.
struct EvaluationSet {
    private(set) var cases: RetrievalCases
    /// By the hidden percentage, `[studies, dimension]`.
    private(set) var maskedImages: [Int: [Float]] = [:]
    private(set) var maskedReports: [Int: [Float]] = [:]
    let texts: [String]
    /// Of each pair; its id where no patient is named.
    let patients: [String]
    /// Cases that were left out because their image could not be read.
    private(set) var refused: [(path: String, reason: String)] = []

    init(folder: String, limit: Int?, model: MCRModel, masks: MaskPlan, isQuiet: Bool) throws {
        let read = try CaseFiles(source: folder)
        showPassedOver(read.passedOver, halfCases(read.cases))
        refused = read.refused.map { ($0.source, $0.reason) }
        var pairs = read.cases.filter { $0.image != nil && !($0.report ?? "").isEmpty }
        if let limit { pairs = Array(pairs.prefix(limit)) }
        guard !pairs.isEmpty else {
            throw CommandError(.failed, "\(folder): there is no case with both an image and a report")
        }
        var images: [Float] = []
        var kept: [CaseInput] = []
        let progress = Progress("eval", total: pairs.count, unit: "cases", quiet: isQuiet)
        for start in stride(from: 0, to: pairs.count, by: 32) {
            let batch = Array(pairs[start..<min(start + 32, pairs.count)])
            let decoded = decode(batch)
            var good: [GrayImage] = []
            for (pair, image) in zip(batch, decoded) {
                switch image {
                case .success(let image):
                    good.append(image)
                    kept.append(pair)
                case .failure(let error): refused.append((pair.id, "\(error)"))
                }
            }
            let first = kept.count - good.count
            images += try model.embed(images: good, threads: defaultThreadCount)
            for percent in masks.imagePercents {
                maskedImages[percent, default: []] += model.embed(
                    images: good, hiding: MaskRatio(percent: percent), seed: masks.seed, first: first,
                    threads: defaultThreadCount)
            }
            progress.advance(by: batch.count)
        }
        progress.finish()
        guard !kept.isEmpty else {
            for (path, reason) in refused { standardError("refused: \(shown(path)): \(shown(reason))\n") }
            throw CommandError(.failed, "\(folder): no image could be read")
        }
        let texts = kept.map { $0.report ?? "" }
        self.texts = texts
        patients = kept.map { $0.fields.patient ?? "id \($0.id)" }
        for percent in masks.reportPercents {
            maskedReports[percent] = model.embed(
                reports: texts, hiding: MaskRatio(percent: percent), seed: masks.seed, threads: defaultThreadCount)
        }
        cases = RetrievalCases(
            images: images, reports: try model.embed(reports: texts, threads: defaultThreadCount),
            dimension: model.dimension,
            reportHashes: texts.map { normalisedReportHash($0) }, labels: kept.map { Set($0.fields.findings) })
        if kept.contains(where: \.fields.findings.isEmpty) {
            let reader = try ReportLabels.standard()
            let found = Mutex([Set<String>](repeating: [], count: texts.count))
            parallelFor(texts.count) { index in
                let labels = Set(reader.labels(of: texts[index]))
                found.withLock { $0[index] = labels }
            }
            cases.labelsFromReports = found.withLock { $0 }
        }
    }

    /// How many of the ten nearest reports of each image a graph index finds, as a share, and the other way round.
    func indexRecall() throws -> Double {
        let forward = try indexRecall(queries: cases.images, gallery: cases.reports)
        let backward = try indexRecall(queries: cases.reports, gallery: cases.images)
        return (forward + backward) / 2
    }

    private func indexRecall(queries: [Float], gallery: [Float]) throws -> Double {
        let dimension = cases.dimension
        let index = try HNSWIndex(dimension: dimension, metric: .cosine)
        try gallery.withUnsafeBufferPointer { rows in
            for row in 0..<cases.count {
                let vector = UnsafeBufferPointer(rebasing: rows[(row * dimension)..<((row + 1) * dimension)])
                try index.insert(vector, item: UInt32(row))
            }
        }
        let hits = try queries.withUnsafeBufferPointer { rows in
            try (0..<cases.count).map { row in
                let vector = UnsafeBufferPointer(rebasing: rows[(row * dimension)..<((row + 1) * dimension)])
                return try index.search(vector, k: 10, ef: 64).hits.map { Int($0.item) }
            }
        }
        return try RetrievalEvaluation.indexRecall(queries: queries, gallery: gallery, dimension: dimension, hits: hits)
    }

    /// Plots recall against the number of hits for both directions and chance, and how the ranks are spread.
    func writePlots(to plots: EvaluationPlots, _ evaluation: RetrievalEvaluation) throws {
        func ranks(_ queries: [Float], _ gallery: [Float]) throws -> [Double] {
            try RetrievalEvaluation.ranks(
                queries: queries, gallery: gallery, dimension: cases.dimension, reportHashes: cases.reportHashes)
        }
        let directions = [
            ("image to report", try ranks(cases.images, cases.reports)),
            ("report to image", try ranks(cases.reports, cases.images)),
        ]
        let last = min(50, cases.count)
        let curves = directions.map { name, ranks in
            LinePlot.Series(
                name,
                points: (1...last).map { k in
                    (Double(k), 100 * Double(ranks.count { $0 <= Double(k) }) / Double(ranks.count))
                })
        }
        let chance = evaluation.chance
        let shares: [(k: Int, share: Double)] = [(1, chance.r1), (5, chance.r5), (10, chance.r10)]
        let guesses = shares.filter { $0.k <= last }.map { (x: Double($0.k), y: 100 * $0.share) }
        var plot = LinePlot(
            title: "Recall, \(cases.count) cases", xLabel: "hits looked at", yLabel: "found, %",
            series: curves + [LinePlot.Series("chance", points: guesses)])
        plot.yRange = 0...100
        try plots.recall.write(picture: plot.render(), isPrivate: false)
        var histogram = LinePlot(
            title: "Ranks of what was looked for, \(cases.count) cases", xLabel: "rank (each step is twice as wide)",
            yLabel: "queries, %", series: directions.map { RankHistogram($1, count: cases.count).series($0) })
        histogram.isLogX = true
        try plots.ranks.write(picture: histogram.render(), isPrivate: false)
        for file in [plots.recall, plots.ranks] { standardError("plot: \(file.path)\n") }
        if let rows = evaluation.missingInformation, let file = plots.sweep {
            try writeSweep(rows, to: file, evaluation)
        }
    }
}

/// The images of `batch`, decoded on all cores.
private func decode(_ batch: [CaseInput]) -> [Result<GrayImage, any Error>] {
    let results = Mutex([Int: Result<GrayImage, any Error>]())
    parallelFor(batch.count) { index in
        let result = Result<GrayImage, any Error> {
            switch batch[index].image {
            case .file(let path): try ImageDecoder.decode(path: path)
            case .bytes(let bytes): try ImageDecoder.decode(bytes)
            case nil: throw CommandError(.failed, "there is no image")
            }
        }
        results.withLock { $0[index] = result }
    }
    return results.withLock { found in batch.indices.compactMap { found[$0] } }
}

/// Label precision as a table.
private func labelText(
    _ title: String, _ precision: RetrievalEvaluation.LabelPrecision, chance: Double?
) -> String {
    var labels = TextTable([(title, .left), ("P@1", .right), ("P@5", .right), ("P@10", .right)])
    labels.append([
        "image to image", percentText(precision.image.p1), percentText(precision.image.p5),
        percentText(precision.image.p10),
    ])
    labels.append([
        "report to report", percentText(precision.report.p1), percentText(precision.report.p5),
        percentText(precision.report.p10),
    ])
    labels.append(["mean", percentText(precision.p1), percentText(precision.p5), percentText(precision.p10)])
    if let chance { labels.append(["chance", percentText(chance), percentText(chance), percentText(chance)]) }
    return labels.text
}

/// The figures as a table.
private func text(of evaluation: RetrievalEvaluation) -> String {
    var table = TextTable([
        ("", .left), ("R@1", .right), ("R@5", .right), ("R@10", .right), ("95 % of R@10", .right),
        ("median rank", .right),
    ])
    for (name, direction) in [
        ("image to report", evaluation.imageToReport), ("report to image", evaluation.reportToImage),
    ] {
        let interval = direction.ci95R10.map { percentText($0) }.joined(separator: " to ")
        table.append([
            name, percentText(direction.r1), percentText(direction.r5), percentText(direction.r10), interval,
            String(format: "%g", direction.medianRank),
        ])
    }
    let chance = evaluation.chance
    table.append([
        "chance", percentText(chance.r1), percentText(chance.r5), percentText(chance.r10), "",
        String(format: "%g", Double(evaluation.n + 1) / 2),
    ])
    var text = table.text
    if let precision = evaluation.labelPrecision {
        text += "\n" + labelText("label precision", precision, chance: chance.p)
    }
    if let precision = evaluation.labelPrecisionFromReports {
        text += "\n"
        text += labelText(
            "label precision, labels from reports (\(precision.n))", precision, chance: evaluation.chanceFromReports)
    }
    text += missingText(of: evaluation)
    text += "\nN \(evaluation.n), model \(evaluation.model.prefix(16)), text: \(evaluation.text)\n"
    text += "duplicates: \(evaluation.dedup)\n"
    if let index = evaluation.index { text += "index: finds \(percentText(index.recall10)) of the exact top ten\n" }
    return text
}
