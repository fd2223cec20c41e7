import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumMCR
import HilumPhantom
import HilumReports

extension Command {
    static let train = Command(
        name: "train",
        summary: "train the encoders, or go on training a model on one's own cases",
        usage: ["--data DIR… --out MODEL [--init MODEL] [--config NAME] [--epochs N] [--seed S] [--resume]"],
        operands: [],
        options: [
            .value("data", "DIR", "folder with a cases.jsonl, or a manifest; may be given more than once"),
            .value("out", "MODEL", "folder for weights, config, vocabulary, log and curves"),
            .value("init", "MODEL", "start from this model's weights and vocabulary ('builtin': the built-in one)"),
            .value(
                "config", "NAME",
                "mcr-levels, mcr-film, mcr-micro, mcr-compact, mcr-tiny, mcr-small or mcr-base (default mcr-levels)"
            ),
            .value("epochs", "N", "how often each pair is seen (default 10)"),
            .value("steps", "N", "end after so many steps instead"),
            .value("minutes", "T", "fit the training into so many minutes instead"),
            .value("batch", "N", "pairs a step (default 64)"),
            .value(
                "micro-batch", "N",
                "pairs held in memory at once: the batch is walked twice in such pieces (default: the whole batch)"),
            .value("rate", "R", "peak of the learning rate (default 0.001, with --init 0.0002)"),
            .value("seed", "S", "the same seed and thread count give the same bits (default 1)"),
            .value("objective", "NAME", "mcr, dual or clip (default mcr)"),
            .value("align", "NAME", "mba (map, then aggregate) or abm (the other way round; default mba)"),
            .value(
                "decoder", "NAME",
                "joint (each modality helps to reconstruct the other), unimodal or none (default joint)"),
            .value("image-mask", "P", "per cent of the patches that are hidden in the masked phase (default 50)"),
            .value("report-mask", "P", "per cent of the words that are hidden in the masked phase (default 25)"),
            .value("unmasked", "SHARE", "share of the steps, at the end, that see everything (default 0.25)"),
            .value(
                "partial-reports", "SHARE",
                "share of the pairs that show some sentences of their report only (default 0.3)"),
            .value(
                "partial-images", "SHARE",
                "share of the images of an unmasked step that show a part of theirs only (default 0)"),
            .value(
                "label-share", "SHARE",
                "share of the contrast's targets that goes to pairs with findings in common (default 0.5); where a case names none, "
                    + "those that its report affirms count, among such cases"),
            .value("augment", "S", "how strongly images are turned, shifted, exposed otherwise: 0 to 1 (default 0.7)"),
            .value(
                "average", "SHARE",
                "the model is a running average of the weights, of which a step keeps so much; 0: none (default 0.99)"),
            .value("hold-out", "N", "pairs kept for validation (default a tenth, at most 500)"),
            .value("checkpoint", "N", "steps between checkpoints (default an eighth of all, 10 to 250)"),
            .flag("last", "the model has the last weights, not those that were best on the pairs held out"),
            .flag("resume", "go on from the checkpoint in MODEL"),
            .quiet, .json,
        ],
        details: """
            Trains the image and the report encoder with masked contrastive reconstruction on pairs of image and report.
            The defaults are the recipe for an archive of one's own; the pairs held out choose the best checkpoint.
            Checkpoints are written as it runs; Ctrl-C ends it after a step and --resume goes on, to the same bits. To
            fine-tune the built-in model on one's own archive, give --init builtin and a folder with a cases.jsonl that
            names images and reports. A batch too large for memory is trained with --micro-batch: the gradient stays that of
            the whole batch, and each pair is encoded twice.
            """,
        examples: [
            (
                "hilum train --data my-cases --init builtin --epochs 5 --out my-model",
                "fine-tunes the built-in model; 'hilum init ARCHIVE --model my-model' uses it"
            )
        ],
        run: runTrain)
}

private func runTrain(_ arguments: Arguments) throws -> ExitStatus {
    let folders = arguments.texts("data")
    if folders.isEmpty { throw CommandError.usage("--data is missing") }
    let output = try arguments.required("out")
    let resumes = arguments.has("resume")
    let options = try trainingOptions(arguments)
    let configuration = try configuration(arguments)
    try MCRTrainer.checkLibraries()
    let labels = options.labelShare > 0 ? try ReportLabels.standard() : nil
    let (sources, labelCounts) = try trainingSources(folders, labels)
    try checkOutput(output, resumes: resumes)
    let start = try arguments.text("init").map { try loadModel($0, precision: .f32) }
    let tokenizer: Tokenizer
    if resumes {
        tokenizer = Tokenizer(vocabulary: try Vocabulary(path: output + "/vocab.txt"))
    } else if let start {
        tokenizer = start.tokenizer
    } else {
        standardError("building a vocabulary of \(configuration.vocabularySize) pieces\n")
        let wording = try RadiologyWording.shared()
        let sentences = wording.sentences(count: 20_000, seed: options.seed)
        tokenizer = Tokenizer(
            vocabulary: try VocabularyBuilder.build(
                texts: sources.map(\.report) + sentences, terms: wording.terms,
                size: configuration.vocabularySize))
    }
    let heldOut = try arguments.integer("hold-out", in: 0...sources.count) ?? min(500, sources.count / 10)
    let split = TrainingSet.split(sources, validationCount: heldOut, seed: options.seed)
    guard split.training.count > 1 else {
        throw CommandError(.failed, "\(sources.count) pairs of image and report are too few to train on")
    }
    let sizes = start?.configuration ?? configuration
    let loading = Progress("read", total: sources.count, unit: "pairs", quiet: arguments.has("quiet"))
    let threads = options.threads
    func load(_ part: [TrainingSet.Source]) -> (set: TrainingSet, refused: [(path: String, reason: String)]) {
        TrainingSet.load(part, configuration: sizes, tokenizer: tokenizer, threads: threads, progress: loading)
    }
    let training = load(split.training)
    let validation = split.validation.isEmpty ? nil : load(split.validation)
    loading.finish()
    let refused = training.refused + (validation?.refused ?? [])
    for (path, reason) in refused { standardError("refused: \(shown(path)): \(shown(reason))\n") }
    let set = training.set
    guard set.count > 1 else { throw CommandError(.failed, "no images could be read") }
    let trainer = try MCRTrainer(configuration, tokenizer: tokenizer, options: options, start: start)
    if resumes { try trainer.resume(from: output, set: set) }
    trainer.planSteps(set)
    if !arguments.has("checkpoint") { trainer.spreadCheckpoints(set) }
    warnOfFewSteps(trainer.totalSteps(pairCount: set.count), isContinued: start != nil)
    let isComplete = try train(trainer, set, validation?.set, output, isQuiet: arguments.has("quiet"))
    try report(trainer, output, labelCounts, isComplete: isComplete, asJSON: arguments.has("json"))
    if !isComplete { return .interrupted }
    return refused.isEmpty ? .done : .partlyDone
}

/// Fewer steps than these teach little; what a run begins with counts.
private enum FewSteps {
    static let fromNothing = 500
    static let fromModel = 50
}

private func warnOfFewSteps(_ count: Int, isContinued: Bool) {
    let least = isContinued ? FewSteps.fromModel : FewSteps.fromNothing
    guard count < least else { return }
    let advice = isContinued ? "" : ", or begin with --init builtin"
    standardError(
        "warning: \(count) steps are few, and the model may find no more than chance does; at least \(least) are usual: "
            + "give more --epochs or a smaller --batch\(advice)\n")
}

/// What chance finds of `count` pairs among the first `k`.
private func chance(_ k: Int, of count: Int) -> Double { count == 0 ? 0 : Double(min(k, count)) / Double(count) }

/// Runs the training; false if it was interrupted.
private func train(
    _ trainer: MCRTrainer, _ set: TrainingSet, _ validation: TrainingSet?, _ output: String, isQuiet: Bool
) throws -> Bool {
    Interruption.watch("stopping after this step; --resume goes on")
    let progress = Progress(
        "train", total: trainer.totalSteps(pairCount: set.count), unit: "steps", done: trainer.step, quiet: isQuiet)
    let isComplete = try trainer.run(set, validation: validation, progress: progress, interrupted: Interruption.flag) {
        try $0.saveCheckpoint(to: output, set: set)
        try writeCurves($0.records, to: output)
    }
    progress.finish()
    if isComplete { try MCRTrainer.removeCheckpoint(output) }
    return isComplete
}

private func trainingOptions(_ arguments: Arguments) throws -> TrainingOptions {
    var options = TrainingOptions()
    options.seed = try arguments.seed()
    options.epochCount = try arguments.integer("epochs", in: 1...1_000_000) ?? options.epochCount
    options.stepCount = try arguments.integer("steps", in: 1...100_000_000)
    options.minutes = try arguments.number("minutes", in: 0.01...1_000_000)
    if options.minutes != nil && (options.stepCount != nil || arguments.has("epochs")) {
        throw CommandError.usage("--minutes, --steps and --epochs exclude each other")
    }
    options.batchSize = try arguments.integer("batch", in: 2...4096) ?? options.batchSize
    options.microBatchSize = try arguments.integer("micro-batch", in: 1...4096)
    options.peakRate =
        try arguments.number("rate", in: 0...1) ?? (arguments.text("init") == nil ? options.peakRate : 2e-4)
    let objectives = Objective.allCases.map(\.rawValue)
    if let name = try arguments.choice("objective", among: objectives), let objective = Objective(rawValue: name) {
        options.objective = objective
    }
    if let percent = try arguments.integer("image-mask", in: 0...95) { options.imageMask = MaskRatio(percent: percent) }
    if let percent = try arguments.integer("report-mask", in: 0...95) {
        options.reportMask = MaskRatio(percent: percent)
    }
    options.unmaskedShare = try arguments.number("unmasked", in: 0...1) ?? 0.25
    options.partialReportShare = try arguments.number("partial-reports", in: 0...1) ?? 0.3
    options.partialImageShare = try arguments.number("partial-images", in: 0...1) ?? 0
    options.labelShare = Float(try arguments.number("label-share", in: 0...1) ?? 0.5)
    options.augmentation = Float(try arguments.number("augment", in: 0...1) ?? 0.7)
    let averaging = try arguments.number("average", in: 0...0.999999) ?? 0.99
    options.averaging = averaging > 0 ? averaging : nil
    options.keepsBest = !arguments.has("last")
    options.checkpointInterval =
        try arguments.integer("checkpoint", in: 1...100_000_000) ?? options.checkpointInterval
    return options
}

private func configuration(_ arguments: Arguments) throws -> MCRConfiguration {
    let names = MCRConfiguration.named.map(\.name)
    let name = try arguments.choice("config", among: names)
    if name != nil && arguments.text("init") != nil {
        throw CommandError.usage("--init brings its own sizes; leave out --config")
    }
    for option in ["align", "decoder"] where arguments.has(option) && arguments.text("init") != nil {
        throw CommandError.usage("--init brings its own network; leave out --\(option)")
    }
    var configuration = MCRConfiguration.named.first { $0.name == name } ?? .levels
    let alignments = MCRConfiguration.Alignment.allCases.map(\.rawValue)
    if let word = try arguments.choice("align", among: alignments),
        let alignment = MCRConfiguration.Alignment(rawValue: word)
    {
        configuration.alignment = alignment
    }
    let decoders = MCRConfiguration.DecoderKind.allCases.map(\.rawValue)
    if let word = try arguments.choice("decoder", among: decoders),
        let decoder = MCRConfiguration.DecoderKind(rawValue: word)
    {
        configuration.decoderKind = decoder
    }
    return configuration
}

/// How many pairs have findings, where these come from, and how many pairs name no patient.
struct PairCounts {
    var given = 0
    var fromReports = 0
    /// Each counts as a patient of its own.
    var withoutPatient = 0
}

/// A patient as it is counted: whatever its case, widths and spaces are, for a name that is taken for two would protect neither. Nil where
/// nothing is left.
private func patientName(_ name: String) -> String? {
    let words = name.precomposedStringWithCompatibilityMapping.lowercased().split(whereSeparator: \.isWhitespace)
    return words.isEmpty ? nil : words.joined(separator: " ")
}

/// The pairs of images and reports in the folders.
///
/// - Parameters:
///   - labels: reads findings from the reports of pairs that came without; nil where nobody needs them.
///   - joinsPatients: whether a name in two folders or spellings is one patient's.
func trainingSources(
    _ folders: [String], _ labels: ReportLabels?, joinsPatients: Bool = false
) throws -> ([TrainingSet.Source], PairCounts) {
    var sources: [TrainingSet.Source] = []
    var counts = PairCounts()
    for folder in folders {
        let read: CaseFiles
        do { read = try CaseFiles(source: folder) } catch { throw CommandError(.failed, "\(error)") }
        for refusal in read.refused { standardError("refused: \(shown(refusal.source)): \(shown(refusal.reason))\n") }
        showPassedOver(read.passedOver, halfCases(read.cases))
        for item in read.cases {
            guard case .file(let path)? = item.image, let report = item.report, !report.isEmpty else { continue }
            var findings = item.fields.findings
            if !findings.isEmpty {
                counts.given += 1
            } else if let labels {
                // Under names of their own, so that given labels and read ones never meet.
                findings = labels.labels(of: report).map { "report: \($0)" }
                counts.fromReports += findings.isEmpty ? 0 : 1
            }
            let named = joinsPatients ? item.fields.patient.flatMap(patientName) : item.fields.patient
            if named == nil { counts.withoutPatient += 1 }
            let patient = joinsPatients ? named ?? "\(folder) \(item.id)" : "\(folder) \(named ?? item.id)"
            sources.append(
                TrainingSet.Source(
                    imagePath: path, report: report, patient: patient, labels: findings))
        }
    }
    guard sources.count > 1 else {
        throw CommandError(
            .failed, "\(folders.joined(separator: ", ")): there are no pairs of image and report to train on")
    }
    if labels != nil {
        standardError(
            "labels: \(counts.given) pairs with given findings, \(counts.fromReports) with labels from reports\n")
    }
    return (sources, counts)
}

/// Prevents overwriting a model by mistake.
private func checkOutput(_ output: String, resumes: Bool) throws {
    let hasCheckpoint = MCRTrainer.hasCheckpoint(output)
    if resumes && !hasCheckpoint {
        throw CommandError(.failed, "\(output): there is no checkpoint to go on from; leave out --resume to begin")
    }
    if !resumes && hasCheckpoint {
        throw CommandError(.failed, "\(output): a run was interrupted here; --resume goes on, or choose another folder")
    }
    if !resumes { try OutputFolder.checkModel(output) }
    try OutputFolder.make(output)
}

/// Plots losses and validation recall over the steps, as PNG beside the weights.
private func writeCurves(_ records: [TrainingRecord], to folder: String) throws {
    func series(_ name: String, _ value: (TrainingRecord) -> Double?) -> LinePlot.Series {
        LinePlot.Series(name, points: records.compactMap { record in value(record).map { (Double(record.step), $0) } })
    }
    let losses = LinePlot(
        title: "Losses", xLabel: "steps", yLabel: "mean since the record before",
        series: [
            series("contrast") { $0.contrastLoss },
            series("image") { $0.phase == "masked" ? $0.imageLoss : nil },
            series("report") { $0.phase == "masked" ? $0.reportLoss : nil },
        ])
    try FileIO.writeAtomically(folder + "/loss.png", try PNGEncoder.encode(losses.render()))
    guard let count = records.compactMap({ $0.validation?.count }).last else { return }
    var recall = LinePlot(
        title: "Recall on \(count) pairs held out", xLabel: "steps", yLabel: "%",
        series: [
            series("image to report R@1") { $0.validation.map { 100 * $0.imageToReportR1 } },
            series("image to report R@10") { $0.validation.map { 100 * $0.imageToReportR10 } },
            series("report to image R@1") { $0.validation.map { 100 * $0.reportToImageR1 } },
            series("report to image R@10") { $0.validation.map { 100 * $0.reportToImageR10 } },
            series("chance R@10") { $0.validation.map { 100 * chance(10, of: $0.count) } },
        ])
    recall.yRange = 0...100
    try FileIO.writeAtomically(folder + "/recall.png", try PNGEncoder.encode(recall.render()))
}

private func report(
    _ trainer: MCRTrainer, _ output: String, _ labels: PairCounts, isComplete: Bool, asJSON: Bool
) throws {
    // Load the saved file: rounded to half precision, its weights are a different model from those in memory.
    let model = try MCRModel(directory: output)
    let last = trainer.records.last
    var members: [(key: String, value: JSON)] = [
        ("out", .string(output)), ("model", .string(model.modelID)), ("steps", .integer(trainer.step)),
        ("complete", .bool(isComplete)),
    ]
    if let last {
        members.append(("seconds", .number(last.seconds, decimals: 1)))
        members.append(("pairs_per_second", .number(last.pairsPerSecond, decimals: 2)))
    }
    members.append(("activation_bytes", .integer(trainer.peakByteCount)))
    members.append(("peak_resident_bytes", .integer(ProcessMemory.peakByteCount)))
    members.append(("parameters", .integer(model.parameterCount)))
    members.append(
        ("labels", .object([("given", .integer(labels.given)), ("from_reports", .integer(labels.fromReports))])))
    if let validation = last?.validation {
        members.append(
            (
                "validation",
                .object([
                    ("n", .integer(validation.count)),
                    ("image_to_report_r1", .number(validation.imageToReportR1, decimals: 4)),
                    ("image_to_report_r10", .number(validation.imageToReportR10, decimals: 4)),
                    ("report_to_image_r1", .number(validation.reportToImageR1, decimals: 4)),
                    ("report_to_image_r10", .number(validation.reportToImageR10, decimals: 4)),
                    ("chance_r1", .number(chance(1, of: validation.count), decimals: 4)),
                    ("chance_r10", .number(chance(10, of: validation.count), decimals: 4)),
                ])
            ))
    }
    if asJSON {
        standardOutputLine(JSON.object(members).text)
        return
    }
    var text = "\(output): \(trainer.step) steps, model \(model.modelID.prefix(16))"
    if let validation = last?.validation {
        let (r1, r10) = (chance(1, of: validation.count), chance(10, of: validation.count))
        text += ", image to report R@1 \(percentText(validation.imageToReportR1)) (chance \(percentText(r1)))"
        text += " and R@10 \(percentText(validation.imageToReportR10)) (chance \(percentText(r10)))"
        text += " on \(validation.count) pairs held out"
    }
    text += ", memory at the most \(ProcessMemory.peakByteCount >> 20) MiB"
    text += " (\(trainer.peakByteCount >> 20) MiB of activations)"
    standardOutputLine(text + (isComplete ? "" : "; interrupted, --resume goes on"))
}
