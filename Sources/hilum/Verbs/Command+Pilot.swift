import Foundation
import HilumCore
import HilumImaging
import HilumEvaluation
import HilumMCR

extension Command {
    static let pilot = Command(
        name: "pilot",
        summary: "try the search on 50 to 200 cases of one's own, with a report to show",
        usage: ["DIR --out REPORT [--folds 5] [--model MODEL] [--steps N] [--seed S] [--keep MODEL] [--json]"],
        operands: ["DIR"],
        options: [
            .value("out", "REPORT", "the page to write (.html); the figures go beside it as .json"),
            .value("folds", "N", "parts the cases are cut into, 2 to 20 (default 5)"),
            .value("model", "MODEL", "where fine-tuning starts ('builtin', the default, or a model folder)"),
            .value("steps", "N", "steps of fine-tuning a fold (default: by --epochs)"),
            .value("epochs", "N", "how often each pair is seen (default \(PilotDefaults.epochs))"),
            .value("batch", "N", "pairs a step (default \(PilotDefaults.batch))"),
            .value("rate", "R", "peak of the learning rate (default \(PilotDefaults.rate))"),
            .value("unmasked", "SHARE", "share of the steps, at the end, that see everything (default 1: no masks)"),
            .value(
                "partial-reports", "SHARE", "share of the pairs that show some sentences of their report (default 0)"),
            .value("seed", "S", "cuts the folds and draws the batches (default 1)"),
            .value("threads", "N", "threads to use (default: all cores)", environment: "HILUM_THREADS"),
            .value("limit", "N", "only the first N pairs"),
            .value("work", "DIR", "where finished folds are kept (default: REPORT with the ending .work)"),
            .value("keep", "MODEL", "also fine-tune on all pairs at the end and save the model"),
            .value("plots", "DIR", "also draw recall over the number of hits as PNG"),
            .flag("with-text", "show the beginnings of reports on the page"),
            .force, .quiet, .json,
        ],
        details: """
            DIR is a folder with a cases.jsonl, a folder of images and texts with equal stems, or a manifest. Its pairs of image
            and report are cut into folds; cases of one patient (keys 'patient' and 'group') stay together. Each fold is searched
            with the model as it is, then with one that was fine-tuned on the other folds, and by ways without a model: word
            overlap (BM25) and plain pixels. The page tells what came of it, with intervals, the cost in minutes and the
            cases that failed as pictures. It shows ids, pictures and findings, and report text with --with-text only. Finished folds are
            kept: the same call goes on after an interrupt.
            """,
        examples: [
            (
                "hilum pilot my-cases --out trial.html",
                "five folds from the built-in model; writes trial.html and trial.json"
            )
        ],
        run: runPilot)
}

/// Defaults for 50 to 200 pairs. `Benchmarks/pilot/README.md` has the measurements.
enum PilotDefaults {
    static let epochs = 20
    static let batch = 16
    static let rate = 1e-3

    static func options(_ arguments: Arguments) throws -> TrainingOptions {
        var options = TrainingOptions()
        options.seed = try arguments.seed()
        options.epochCount = try arguments.integer("epochs", in: 1...1_000_000) ?? epochs
        options.stepCount = try arguments.integer("steps", in: 1...10_000_000)
        options.batchSize = try arguments.integer("batch", in: 2...1024) ?? batch
        options.peakRate = try arguments.number("rate", in: 0...1) ?? rate
        options.imageMask = MaskRatio(percent: 25)
        options.reportMask = MaskRatio(percent: 15)
        options.unmaskedShare = try arguments.number("unmasked", in: 0...1) ?? 1
        options.partialReportShare = try arguments.number("partial-reports", in: 0...1) ?? 0
        options.threads = try arguments.integer("threads", in: 1...1024) ?? defaultThreadCount
        options.checkpointInterval = 1_000_000_000
        return options
    }
}

/// The output files of a pilot.
private struct PilotPaths {
    let page: String
    let figures: String
    let work: String

    init(_ arguments: Arguments) throws {
        var page = try arguments.required("out")
        var isFolder: ObjCBool = false
        if page.hasSuffix("/")
            || FileManager.default.fileExists(atPath: page, isDirectory: &isFolder) && isFolder.boolValue
        {
            while page.count > 1 && page.hasSuffix("/") { page.removeLast() }
            page += "/pilot.html"
        }
        let ending = FilePath.ending(of: page).lowercased()
        guard ["", "html", "htm"].contains(ending) else {
            throw CommandError.usage("--out names an HTML file, not '\(page)'")
        }
        if ending.isEmpty { page += ".html" }
        let stem = FilePath.withoutEnding(page)
        self.page = page
        figures = stem + ".json"
        work = arguments.text("work") ?? stem + ".work"
    }
}

/// The files of a pilot, checked before it begins.
private struct PilotOutputs {
    let page: OutputFile
    let figures: OutputFile
    let plot: OutputFile?

    init(_ paths: PilotPaths, _ arguments: Arguments) throws {
        try OutputFolder.make(FilePath.folder(of: paths.page))
        let plots = arguments.text("plots")
        if let plots { try OutputFolder.make(plots) }
        func file(_ path: String) throws -> OutputFile {
            try OutputFile(path, of: "pilot", inputs: [arguments.operands[0]], arguments)
        }
        page = try file(paths.page)
        figures = try file(paths.figures)
        plot = try plots.map { try file($0 + "/recall.png") }
    }
}

private func runPilot(_ arguments: Arguments) throws -> ExitStatus {
    let paths = try PilotPaths(arguments)
    let outputs = try PilotOutputs(paths, arguments)
    let foldCount = try arguments.integer("folds", in: 2...20) ?? 5
    if arguments.has("steps") && arguments.has("epochs") {
        throw CommandError.usage("--steps and --epochs are both given; it takes one, not both")
    }
    let limit = try arguments.integer("limit", in: 1...Int.max)
    let options = try PilotDefaults.options(arguments)
    let modelName = arguments.text("model") ?? builtinModelName
    let keep = arguments.text("keep")
    if let keep { try OutputFolder.checkModel(keep) }
    let isQuiet = arguments.has("quiet")
    try RetrievalEvaluation.checkLibraries()
    // In the same precision as the fine-tuned models, so that nothing else differs between before and after.
    let start = try loadModel(modelName, precision: .f32)
    let input = try PilotInput(
        folder: arguments.operands[0], side: start.imageSide ?? start.configuration.imageSide, limit: limit,
        threads: options.threads,
        isQuiet: isQuiet)
    say(input.data)
    let study: PilotStudy
    do {
        study = try PilotStudy(pairs: input.pairs, foldCount: foldCount, start: start, options: options)
    } catch {
        throw CommandError(.failed, "\(arguments.operands[0]): \(error.description)")
    }
    let smallest = (0..<study.folds.count).map { study.folds.cases(of: $0).count }.min() ?? 0
    if smallest < 20 && !isQuiet {
        let better = max(2, input.pairs.count / 20)
        standardError(
            "pilot: the smallest fold has \(smallest) cases, among which the first five or ten are easily found; "
                + (better < foldCount ? "--folds \(better) gives larger galleries\n" : "more cases tell more\n"))
    }
    try PilotStore.makeFolder(paths.work)
    let store = PilotStore(folder: paths.work, key: study.fingerprint())
    let beginning = try store.beginning(readSeconds: input.seconds)
    Interruption.watch("stopping; the same call goes on with the folds that are done")
    guard let folds = try runFolds(study, store, isQuiet: isQuiet) else { return .interrupted }
    let report = PilotReport(
        date: beginning.date, modelName: modelName, study: study, folds: folds, data: input.data,
        readSeconds: beginning.readSeconds)
    let page = try PilotPage(report, study: study, thumbnails: input.thumbnails, showsText: arguments.has("with-text"))
    let json = report.json.text
    // Films and ids of patients.
    try outputs.page.write(Data(page.html.text.utf8), isPrivate: true)
    try outputs.figures.write(Data((json + "\n").utf8), isPrivate: true)
    if let file = outputs.plot { try writePlot(folds, study, to: file) }
    if let keep, try !keepModel(study, keep, isQuiet: isQuiet) { return .interrupted }
    standardOutput(arguments.has("json") ? json + "\n" : text(of: report, paths))
    return input.data.refused.isEmpty ? .done : .partlyDone
}

/// Prints on standard error what was left out.
private func say(_ data: PilotReport.Data) {
    for refusal in data.refused {
        standardError("refused: \(shown(refusal.source)): \(shown(refusal.reason))\n")
    }
    for (ids, what) in [(data.withoutImage, "image"), (data.withoutReport, "report")] where !ids.isEmpty {
        let named = ids.prefix(5).map(shown).joined(separator: ", ") + (ids.count > 5 ? ", …" : "")
        standardError("left out: \(ids.count) without \(what) (\(named))\n")
    }
}

/// All folds, including those kept from an earlier run; nil after an interrupt.
private func runFolds(_ study: PilotStudy, _ store: PilotStore, isQuiet: Bool) throws -> [PilotFold]? {
    var folds: [PilotFold] = []
    let kept = (0..<study.folds.count).map { store.fold($0) }
    let steps = (0..<study.folds.count).map { study.stepCount(pairCount: study.folds.cases(outside: $0).count) }
    let keptSteps = zip(kept, steps).reduce(0) { $0 + ($1.0 == nil ? 0 : $1.1) }
    if keptSteps > 0 && !isQuiet {
        standardError("pilot: \(kept.count { $0 != nil }) of \(kept.count) folds are there already\n")
    }
    let progress = Progress(
        "pilot", total: steps.reduce(0, +), unit: "steps", done: keptSteps, quiet: isQuiet)
    for number in 0..<study.folds.count {
        if let fold = kept[number] {
            folds.append(fold)
            continue
        }
        guard !Interruption.flag.isRaised,
            let fold = try study.run(fold: number, progress: progress, interrupted: Interruption.flag)
        else {
            standardError(
                "hilum pilot: stopped; \(folds.count) of \(study.folds.count) folds are kept in \(store.folder)\n")
            return nil
        }
        try store.save(fold)
        folds.append(fold)
    }
    progress.finish()
    return folds
}

/// Fine-tunes on all pairs and saves the model; false after an interrupt.
private func keepModel(_ study: PilotStudy, _ folder: String, isQuiet: Bool) throws -> Bool {
    let progress = Progress("keep", total: study.stepCount(pairCount: study.pairs.count), unit: "steps", quiet: isQuiet)
    guard let model = try study.tuneOnAll(progress: progress, interrupted: Interruption.flag) else {
        standardError("hilum pilot: stopped before the model was saved; the report is written\n")
        return false
    }
    progress.finish()
    try OutputFolder.make(folder)
    try model.save(to: folder)
    return true
}

/// Plots recall against the number of hits, both directions together.
private func writePlot(_ folds: [PilotFold], _ study: PilotStudy, to file: OutputFile) throws {
    let last = min(20, folds.map(\.test.count).max() ?? 1)
    func curve(_ name: String, _ method: PilotMethod) -> LinePlot.Series {
        let ranks = folds.flatMap { fold in
            fold.ranks[method.rawValue].map { $0.imageToReport + $0.reportToImage } ?? []
        }
        return LinePlot.Series(
            name,
            points: (1...last).map { k in
                (Double(k), 100 * Double(ranks.count { $0 <= Double(k) }) / Double(max(ranks.count, 1)))
            })
    }
    let chance = [1, 5, 10].enumerated().filter { $0.element <= last }.map { place, k in
        let values = folds.flatMap { $0.chance.map { $0[place] } }
        return (Double(k), 100 * values.reduce(0, +) / Double(max(values.count, 1)))
    }
    var plot = LinePlot(
        title: "Pilot, \(study.pairs.count) pairs", xLabel: "hits looked at", yLabel: "found, %",
        series: [
            curve("after fine-tuning", .after), curve("before", .before), curve("without a model", .yardstick),
            LinePlot.Series("guessing", points: chance.map { (x: $0.0, y: $0.1) }),
        ])
    plot.yRange = 0...100
    try file.write(picture: plot.render(), isPrivate: false)
    standardError("plot: \(file.path)\n")
}

/// The figures as a table.
private func text(of report: PilotReport, _ paths: PilotPaths) -> String {
    let summary = report.summary
    var table = TextTable([
        ("both directions", .left), ("R@1", .right), ("R@5", .right), ("R@10", .right), ("95 % of R@5", .right),
    ])
    let chance = summary.chance
    table.append(["guessing", percentText(chance.r1), percentText(chance.r5), percentText(chance.r10), ""])
    for (name, method) in [
        ("without a model", PilotMethod.yardstick), ("before", .before), ("after fine-tuning", .after),
    ] {
        guard let figures = summary.methods[method.rawValue]?.both else { continue }
        table.append([
            name, percentText(figures.r1.value), percentText(figures.r5.value), percentText(figures.r10.value),
            "\(percentText(figures.r5.low)) to \(percentText(figures.r5.high))",
        ])
    }
    let verdict = PilotVerdict(report)
    return table.text + "\n\(verdict.headline): R@5 \(PilotVerdict.points(summary.change.both.r5))\n"
        + "\(paths.page), \(paths.figures); took \(durationText(report.cost.totalSeconds))\n"
}
