import Foundation
import HilumCore
import HilumMCR
import HilumPhantom
import HilumReports

extension Command {
    static let federate = Command(
        name: "federate",
        summary: "train one model at several sites whose cases stay where they are",
        usage: [
            "init ROUND (--from MODEL | --config NAME) [--rounds R] [--epochs N] [--epsilon E --delta D]",
            "train ROUND --data DIR… --site NAME --out UPDATE [--ledger FILE]",
            "merge ROUND UPDATE… --out NEXT",
        ],
        operands: ["init, train or merge", "ROUND"],
        allowsMoreOperands: true,
        options: [
            .value(
                "from", "MODEL", "init: begin with this model's weights and vocabulary ('builtin': the built-in one)"),
            .value(
                "config", "NAME",
                "init: begin with weights from the seed and a vocabulary that holds no site's words: mcr-micro, mcr-compact, mcr-tiny, "
                    + "mcr-small or mcr-base"),
            .value("rounds", "R", "init: for how many rounds rates and budget are planned (default 10)"),
            .value("epochs", "N", "init: how often a site sees each of its pairs in a round (default 1)"),
            .value("steps", "N", "init: steps of a round instead"),
            .value("batch", "N", "init: pairs a step (default 64, with a budget 256)"),
            .value("rate", "R", "init: peak of the learning rate (default 0.001, with --from 0.0002)"),
            .value("unmasked", "SHARE", "init: share of all steps, at the end, that see everything (default 0.25)"),
            .value("label-share", "SHARE", "init: as for 'hilum train' (default 0.5)"),
            .value("augment", "S", "init: as for 'hilum train' (default 0.7)"),
            .value("partial-reports", "SHARE", "init: as for 'hilum train' (default 0.3)"),
            .value("seed", "S", "init: of start values, order and masks (default 1)"),
            .value(
                "parts", "NAME",
                "init: all or heads: what is trained; the heads alone drown less in noise (default all)"),
            .value("epsilon", "E", "init: what each site may spend over all rounds; needs a --ledger at each"),
            .value("delta", "D", "init: how likely the promise may fail, below 1 in the patients (default 0.00001)"),
            .value("clip", "C", "init: the longest gradient of a group (default 1)"),
            .value(
                "group", "N", "init: patients of a group, which are compared with one another alone (default 8)"),
            .value("data", "DIR", "train: folder with a cases.jsonl, or a manifest; may be given more than once"),
            .value("site", "NAME", "train: the name of the site, which stands in its updates"),
            .value(
                "ledger", "FILE",
                "train: what the site has spent of its budget; it stays there, and is kept as long as the cases"),
            .value(
                "noise-seed", "S",
                "train: draw the noise from a seed, for measurements; whoever knows it can take the noise away"),
            .value("out", "FOLDER", "train: where the update goes; merge: where the next round goes"),
            .quiet, .json,
        ],
        details: """
            Several sites train one model, and no case leaves its site. init makes round 0: a model, and the settings that all
            sites agree on. Each site copies the folder, trains on its own cases, and gives back an update: the weights that it
            trained, the number of its cases and its name, no text, picture or id. merge averages updates by their numbers of cases
            into the next round, a model like any other. Files may travel in any way that a site has; all of them carry hashes.
            The same updates in any order give the same bytes, and a call that has been done already changes nothing.

            An update without a budget remembers cases: from it, and from a model made of few sites, one may find out that a
            case was among them, and sometimes parts of it. Give such folders only to those who may see the cases. With
            --epsilon each step adds noise, so that what anybody learns from all updates of a site is almost as likely if one
            patient's place in each step had stayed empty (differential privacy, by patient). If the patient had been left out
            altogether, another could take the place in a group, so the epsilon of that is larger; both are printed. The
            numbers of cases and patients are told as they are. A patient is one name in all folders, whatever its case, widths
            and spaces ("P 7" is "p 7", and not "p7" or "p 07"); a case that names none counts as a patient. Noise
            costs accuracy, on small archives nearly all of it: 'Benchmarks/federated' has figures.
            """,
        examples: [
            (
                "hilum federate init round-0 --from builtin --rounds 5 --epochs 2",
                "what the sites agree on; each gets a copy of round-0"
            ),
            (
                "hilum federate train round-0 --data my-cases --site north --out north-0",
                "at each site; north-0 goes back"
            ),
            (
                "hilum federate merge round-0 north-0 south-0 --out round-1",
                "the next round; 'hilum eval --model round-1' measures it, 'hilum init ARCHIVE --model round-1' uses it"
            ),
        ],
        run: runFederate)
}

/// The options of each action.
private let federateOptions: [String: Set<String>] = [
    "init": [
        "from", "config", "rounds", "epochs", "steps", "batch", "rate", "unmasked", "label-share", "augment",
        "partial-reports", "seed", "parts", "epsilon", "delta", "clip", "group",
    ],
    "train": ["data", "site", "ledger", "noise-seed", "out"],
    "merge": ["out"],
]

private func runFederate(_ arguments: Arguments) throws -> ExitStatus {
    let action = arguments.operands[0]
    guard let known = federateOptions[action] else {
        throw CommandError.usage("'\(action)' is no part of a federation; 'init', 'train' and 'merge' are")
    }
    let common: Set = ["json", "quiet"]
    if let (name, _) = arguments.given.first(where: { !known.contains($0.name) && !common.contains($0.name) }) {
        let owners = federateOptions.filter { $0.value.contains(name) }.keys.sorted()
        throw CommandError.usage("--\(name) belongs to '\(owners.joined(separator: "' and '"))', not to '\(action)'")
    }
    if action != "merge" && arguments.operands.count > 2 {
        throw CommandError.usage("'\(arguments.operands[2])' is one operand too many: '\(action)' takes one ROUND")
    }
    switch action {
    case "init": return try runFederateInit(arguments)
    case "train": return try runFederateTrain(arguments)
    default: return try runFederateMerge(arguments)
    }
}

// MARK: init

private func runFederateInit(_ arguments: Arguments) throws -> ExitStatus {
    let output = arguments.operands[1]
    let settings = try federationSettings(arguments)
    let names = MCRConfiguration.named.filter { $0.shortcutCells == nil }.map(\.name)
    let name = try arguments.choice("config", among: names)
    guard (name == nil) != (arguments.text("from") == nil) else {
        throw CommandError.usage("give either --from or --config")
    }
    try OutputFolder.checkModel(output)
    try MCRTrainer.checkLibraries()
    let model: MCRModel
    if let from = arguments.text("from") {
        model = try loadModel(from, precision: .f32)
    } else {
        let configuration = MCRConfiguration.named.first { $0.name == name } ?? .micro
        model = try MCRModel(
            untrained: configuration, vocabulary: try commonVocabulary(configuration.vocabularySize),
            seed: settings.options.seed)
    }
    let round = try FederatedRound.begin(at: output, model: model, settings: settings)
    try show(round, isNew: true, asJSON: arguments.has("json"))
    return .done
}

/// A vocabulary from the drawn reports' wording, in both languages; the seed is fixed, so that equal settings give equal pieces.
private func commonVocabulary(_ size: Int) throws -> Vocabulary {
    standardError("building a vocabulary of at most \(size) pieces\n")
    let wording = try RadiologyWording.shared()
    return try VocabularyBuilder.build(
        texts: wording.sentences(count: 20_000, seed: 1), terms: wording.terms, size: size)
}

private func federationSettings(_ arguments: Arguments) throws -> FederationSettings {
    var options = TrainingOptions()
    let privacy = try privacySettings(arguments)
    if arguments.has("steps") && arguments.has("epochs") {
        throw CommandError.usage("--steps and --epochs exclude each other")
    }
    options.epochCount = try arguments.integer("epochs", in: 1...1_000_000) ?? 1
    options.stepCount = try arguments.integer("steps", in: 1...1_000_000)
    options.batchSize = try arguments.integer("batch", in: 2...65_536) ?? (privacy == nil ? options.batchSize : 256)
    options.peakRate =
        try arguments.number("rate", in: 0...1) ?? (arguments.text("from") == nil ? options.peakRate : 2e-4)
    options.unmaskedShare = try arguments.number("unmasked", in: 0...1) ?? 0.25
    options.labelShare = Float(try arguments.number("label-share", in: 0...1) ?? 0.5)
    options.augmentation = Float(try arguments.number("augment", in: 0...1) ?? 0.7)
    options.partialReportShare = try arguments.number("partial-reports", in: 0...1) ?? 0.3
    options.seed = try arguments.seed()
    let parts = try arguments.choice("parts", among: FederationSettings.Parts.allCases.map(\.rawValue))
    return FederationSettings(
        roundCount: try arguments.integer("rounds", in: 1...10_000) ?? 10, options: options,
        parts: parts.flatMap(FederationSettings.Parts.init) ?? .all, privacy: privacy)
}

private func privacySettings(_ arguments: Arguments) throws -> FederationSettings.Privacy? {
    let epsilon = try arguments.number("epsilon", in: 0.01...1_000)
    let delta = try arguments.number("delta", in: 1e-15...0.1)
    let clip = try arguments.number("clip", in: 1e-6...1e6)
    let group = try arguments.integer("group", in: 2...4096)
    if epsilon == nil && delta != nil { throw CommandError.usage("--delta needs --epsilon") }
    guard epsilon != nil || clip != nil || group != nil else { return nil }
    if epsilon == nil {
        standardError("warning: gradients are clipped and get no noise, which protects nobody; give --epsilon\n")
    }
    return FederationSettings.Privacy(epsilon: epsilon, delta: delta ?? 1e-5, clip: clip ?? 1, groupSize: group ?? 8)
}

private func show(_ round: FederatedRound, isNew: Bool, asJSON: Bool) throws {
    let model = try round.model()
    let cases = round.sites.reduce(0) { $0 + $1.count }
    if asJSON {
        let sites = round.sites.map { JSON(members: ["site": $0.site, "count": $0.count]) }
        let object = JSON(members: [
            "out": round.directory, "round": round.number, "rounds": round.settings.roundCount, "id": round.id,
            "model": model.modelID, "parameters": model.parameterCount, "cases": cases, "sites": JSON.array(sites),
            "new": isNew,
        ])
        standardOutputLine(object.text)
        return
    }
    var text = "\(round.directory): round \(round.number) of \(round.settings.roundCount)"
    if !round.sites.isEmpty {
        text += " from \(cases) cases of \(round.sites.count) sites ("
        text += round.sites.map { "\($0.site) \($0.count)" }.joined(separator: ", ") + ")"
    }
    standardOutputLine(text + ", model \(model.modelID.prefix(16))" + (isNew ? "" : "; it stood here already"))
}

// MARK: train

private func runFederateTrain(_ arguments: Arguments) throws -> ExitStatus {
    let folders = arguments.texts("data")
    if folders.isEmpty { throw CommandError.usage("--data is missing") }
    let site = try arguments.required("site")
    guard SiteUpdate.isName(site) else {
        throw CommandError.usage("--site needs \(SiteUpdate.nameRule)")
    }
    let output = try arguments.required("out")
    let noiseSeed = arguments.text("noise-seed").map { UInt64($0) }
    if case .some(.none) = noiseSeed { throw CommandError.usage("--noise-seed needs a whole number from 0") }
    let round = try FederatedRound(directory: arguments.operands[1])
    let isPrivate = round.settings.privacy?.epsilon != nil
    if isPrivate && arguments.text("ledger") == nil {
        throw CommandError.usage(
            "--ledger is missing: this federation has a budget, and the site keeps its own account of it")
    }
    if !isPrivate && arguments.text("ledger") != nil {
        throw CommandError.usage(
            "--ledger needs a round with a budget: this one has none, and what is told without noise enters no account")
    }
    if SiteUpdate.isThere(output) {
        let update = try SiteUpdate(directory: output)
        guard update.began(with: round), update.site == site else {
            throw CommandError(.failed, "\(output): another update stands here already; choose another folder")
        }
        show(update, training: nil, unnamed: 0, outcome: nil, seconds: nil, asJSON: arguments.has("json"))
        return .done
    }
    try OutputFolder.checkModel(output)
    if let ledger = arguments.text("ledger") { try OutputFolder.checkPlace(FilePath.folder(of: ledger)) }
    try MCRTrainer.checkLibraries()
    let model = try round.model()
    let labels = round.settings.options.labelShare > 0 ? try ReportLabels.standard() : nil
    let (sources, counts) = try trainingSources(folders, labels, joinsPatients: true)
    if isPrivate && counts.withoutPatient > 0 {
        standardError(
            "warning: \(counts.withoutPatient) of \(sources.count) cases name no patient and count as a patient each; "
                + "for these epsilon is by case\n")
    }
    let threads = TrainingOptions().threads
    let loading = Progress("read", total: sources.count, unit: "pairs", quiet: arguments.has("quiet"))
    let (set, refused) = TrainingSet.load(
        sources, configuration: model.configuration, tokenizer: model.tokenizer, threads: threads, progress: loading)
    loading.finish()
    for (path, reason) in refused { standardError("refused: \(shown(path)): \(shown(reason))\n") }
    let training = try SiteTraining(
        round, site: site, model: model, set: set, threads: threads, ledger: arguments.text("ledger"),
        noiseSeed: noiseSeed ?? nil)
    if training.beginsLedger, let ledger = arguments.text("ledger") {
        standardError("a new ledger begins at \(shown(ledger))\n")
    }
    Interruption.watch("stopping after this step; nothing is written")
    let progress = Progress("train", total: training.stepCount, unit: "steps", quiet: arguments.has("quiet"))
    let started = monotonicSeconds()
    let outcome = try training.run(progress: progress, interrupted: Interruption.flag)
    progress.finish()
    guard outcome.isComplete else { return .interrupted }
    let update = try training.write(to: output)
    show(
        update, training: training, unnamed: counts.withoutPatient, outcome: outcome,
        seconds: monotonicSeconds() - started, asJSON: arguments.has("json"))
    return refused.isEmpty ? .done : .partlyDone
}

/// - Parameters:
///   - training: nil for an update that stood there already.
///   - unnamed: cases that name no patient.
private func show(
    _ update: SiteUpdate, training: SiteTraining?, unnamed: Int, outcome: SiteTraining.Outcome?, seconds: Double?,
    asJSON: Bool
) {
    if asJSON {
        let object = JSON(members: [
            "out": update.directory, "site": update.site, "round": update.round, "count": update.count,
            "patients": training?.patientCount, "unnamed": training.map { _ in unnamed },
            "steps": training?.stepCount, "contrast": outcome?.contrastLoss,
            "seconds": seconds.map { JSON.number($0, decimals: 1) }, "privacy": update.privacy, "new": training != nil,
        ])
        standardOutputLine(object.text)
        return
    }
    var text = "\(update.directory): site \(update.site), round \(update.round), \(update.count) cases"
    if let training { text += ", \(training.stepCount) steps" }
    if let loss = outcome?.contrastLoss { text += String(format: ", contrast %.3f", loss) }
    if let privacy = update.privacy {
        if let spent = privacy.epsilon, let budget = privacy.budget {
            text += String(format: ", epsilon %.3f of %g spent at delta %g", spent, budget, privacy.delta)
            if let training { text += unit(unnamed: unnamed, of: training.pairCount) }
            if let leftOut = privacy.leftOutEpsilon {
                text += String(format: ", at most %.3f if left out altogether", leftOut)
            }
            text += String(
                format: " (noise %.3f, groups taken with probability %.3f)", privacy.noise, privacy.samplingRate)
            if privacy.isSeeded { text += ", noise from a seed" }
        } else {
            text += ", clipped without noise"
        }
    }
    standardOutputLine(text + (training == nil ? "; it stood here already" : ""))
}

/// Whom epsilon protects.
private func unit(unnamed: Int, of count: Int) -> String {
    if unnamed == 0 { return " by patient" }
    return unnamed >= count ? " by case" : " by patient, for \(unnamed) cases by case"
}

// MARK: merge

private func runFederateMerge(_ arguments: Arguments) throws -> ExitStatus {
    let updates = Array(arguments.operands.dropFirst(2))
    if updates.isEmpty { throw CommandError.usage("UPDATE is missing") }
    let output = try arguments.required("out")
    let round = try FederatedRound(directory: arguments.operands[1])
    if !FederatedRound.isThere(output) { try OutputFolder.checkModel(output) }
    for folder in updates {
        guard let privacy = try SiteUpdate(directory: folder).privacy, privacy.isSeeded, privacy.epsilon != nil else {
            continue
        }
        standardError("warning: \(folder): its noise comes from a seed and hides nothing from those who know it\n")
    }
    let (next, isNew) = try round.merge(updates, to: output)
    let cases = next.sites.reduce(0) { $0 + $1.count }
    for site in next.sites where next.sites.count > 1 && Double(site.count) > 0.9 * Double(cases) {
        standardError("warning: site \(site.site) has \(site.count) of \(cases) cases: the round is nearly its own\n")
    }
    try show(next, isNew: isNew, asJSON: arguments.has("json"))
    return .done
}
