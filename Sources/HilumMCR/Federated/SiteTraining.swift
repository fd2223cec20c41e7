import Foundation
import HilumCore
import HilumNN

/// One round at one site: trains the common weights on the site's own pairs, and writes the update.
///
/// Without a budget the update is a function of the round, the pairs, the number of threads and the kernel sets of the processor. No pairs are
/// held out, and no checkpoint or linear way is chosen by them: what a site would choose alone, the others do not have.
/// Thread rule: one thread calls; it uses `threads` inside.
public final class SiteTraining {
    /// What a run of `run` learnt; nothing of it is part of an update.
    public struct Outcome: Sendable, Equatable {
        /// Whether it came to the end of the round.
        public let isComplete: Bool
        /// The mean of the contrast over the steps; nil where it would tell of cases that are to be protected.
        public let contrastLoss: Double?
    }

    /// From here on a budget counts as spent.
    private static let spentShare = 0.999

    /// The round that it begins with.
    public let round: FederatedRound
    /// The name of the site.
    public let site: String
    /// Pairs.
    public let pairCount: Int
    /// Patients.
    public let patientCount: Int
    /// Steps of the round.
    public let stepCount: Int
    /// What will have been spent when the update is written; nil where no privacy was asked for.
    public private(set) var privacy: PrivacySpent?

    /// Whether the ledger is not there yet, so that the site counts from nothing.
    public var beginsLedger: Bool { ledger?.isNew ?? false }

    private let set: TrainingSet
    private let trainer: MCRTrainer
    let gradient: PrivateGradient?
    private var ledger: PrivacyLedger?

    /// - Parameters:
    ///   - site: see `SiteUpdate.isName`.
    ///   - ledger: the file with what the site has spent; needed where the settings have a budget.
    ///   - noiseSeed: makes noise that can be made again, for measurements; nil: the system's random numbers.
    /// - Throws: `MCRError.badRound` where the round is the last one, the pairs are too few or the budget does not suffice,
    ///   `NumericError` when OpenBLAS is missing, `FileError`.
    public init(
        _ round: FederatedRound, site: String, model: MCRModel, set: TrainingSet, threads: Int,
        ledger path: String? = nil, noiseSeed: UInt64? = nil
    ) throws {
        precondition(SiteUpdate.isName(site), "the name of a site is \(SiteUpdate.nameRule)")
        func refusal(_ reason: String) -> MCRError { MCRError(.badRound(reason: reason), path: round.directory) }
        let settings = round.settings
        guard !round.isLast else { throw refusal(round.doneReason) }
        guard set.count > 1 else { throw refusal("contrast needs at least two pairs of image and report") }
        self.round = round
        self.site = site
        self.set = set
        pairCount = set.count
        patientCount = Set(set.patients).count
        // A patient's pairs count once for each step of a private training.
        stepCount = settings.options.totalSteps(pairCount: settings.privacy == nil ? pairCount : patientCount)
        var options = settings.options
        options.threads = threads
        trainer = try MCRTrainer(model.configuration, tokenizer: model.tokenizer, options: options, start: model)
        guard let privacy = settings.privacy else {
            gradient = nil
            return
        }
        let groups = PatientGroups(patients: set.patients, size: privacy.groupSize)
        guard groups.groupCount > 0 else {
            throw refusal("\(patientCount) patients are fewer than a group of \(privacy.groupSize)")
        }
        let rate = PrivateGradient.samplingRate(groups, batchSize: options.batchSize)
        var noise = 0.0
        var spent: Double?
        var leftOut: Double?
        if let budget = privacy.epsilon {
            guard let path else { throw refusal("a budget needs the site's ledger, the file with what it has spent") }
            let ledger = try PrivacyLedger(path: path)
            try Self.check(ledger, round, site: site, isSeeded: noiseSeed != nil)
            guard privacy.delta * Double(patientCount) < 1 else {
                throw refusal(
                    "delta \(privacy.delta) is not below 1 in \(patientCount) patients, so that one of them may be told whole"
                )
            }
            let before = ledger.entries.map(\.steps)
            let left = settings.roundCount - round.number
            // What bisection leaves of a budget would be spent on noise in which nothing is left to find.
            let isSpent = ledger.epsilon(delta: privacy.delta) > Self.spentShare * budget
            guard !isSpent,
                let least = PrivacyAccountant.noise(
                    for: stepCount * left, samplingRate: rate, after: before, epsilon: budget, delta: privacy.delta)
            else {
                throw MCRError(
                    .badRound(
                        reason: "\(ledger.entries.count) updates have spent the budget of epsilon \(budget), and "
                            + "\(left) rounds are left"), path: path)
            }
            noise = least
            let all = before + [NoisySteps(samplingRate: rate, noise: noise, count: stepCount)]
            spent = PrivacyAccountant.epsilon(of: all, delta: privacy.delta)
            leftOut = PrivacyAccountant.leftOutEpsilon(of: all, groupSize: groups.size, delta: privacy.delta)
            self.ledger = ledger
        }
        gradient = PrivateGradient(
            groups, batchSize: options.batchSize, noise: noise, clip: privacy.clip, network: trainer.network,
            parts: settings.parts,
            source: Self.noiseSource(noiseSeed, round, site: site, set, ledger, noise: noise))
        self.privacy = PrivacySpent(
            epsilon: spent, leftOutEpsilon: leftOut, budget: privacy.epsilon, delta: privacy.delta, noise: noise,
            samplingRate: rate,
            stepCount: stepCount, isSeeded: noiseSeed != nil)
    }

    /// Noise of the system, or of a seed and of all that makes an update another one.
    private static func noiseSource(
        _ seed: UInt64?, _ round: FederatedRound, site: String, _ set: TrainingSet, _ ledger: PrivacyLedger?,
        noise: Double
    ) -> NoiseSource {
        guard let seed else { return NoiseSource(seed: nil) }
        return NoiseSource(
            seed: seed,
            for: [
                round.id, site, set.fingerprint, "\(set.patients)", "\(ledger?.entries.count ?? 0)",
                "\(noise.bitPattern)",
            ])
    }

    /// - Throws: `MCRError.badRound` where the ledger is another one than this site had in the round before, or its noise of another
    ///   kind: entries with a seed promise nothing, so they are not added up with others.
    private static func check(
        _ ledger: PrivacyLedger, _ round: FederatedRound, site: String, isSeeded: Bool
    ) throws(MCRError) {
        if ledger.entries.contains(where: { $0.isSeeded != isSeeded }) {
            let (held, wanted) = isSeeded ? ("from the system", "from a seed") : ("from a seed", "from the system")
            throw MCRError(
                .badRound(
                    reason: "it holds updates with noise \(held), and this one has noise \(wanted); "
                        + "each kind needs a ledger of its own"),
                path: ledger.path)
        }
        guard round.sites.contains(where: { $0.site == site }) else { return }
        guard ledger.entries.contains(where: { $0.base == round.previous }) else {
            throw MCRError(
                .badRound(
                    reason: "site \(site) took part in the round before, and this ledger has no entry of it; "
                        + "it is another file, or it was lost"),
                path: ledger.path)
        }
    }

    /// Trains the round, or until `interrupted` is raised; then nothing is to be written.
    public func run(progress: HilumCore.Progress? = nil, interrupted: AtomicFlag? = nil) throws -> Outcome {
        var contrast = 0.0
        let first = round.number * stepCount
        let isComplete = try trainer.trainRound(
            set, steps: first..<(first + stepCount), of: round.settings.roundCount * stepCount,
            parts: round.settings.parts,
            privately: gradient, interrupted: interrupted
        ) { losses in
            contrast += losses?.contrast ?? 0
            progress?.advance(note: losses.map { String(format: "contrast %.3f", $0.contrast) })
        }
        return Outcome(
            isComplete: isComplete, contrastLoss: gradient == nil ? contrast / Double(max(1, stepCount)) : nil)
    }

    /// Enters what is spent in the ledger, then writes the update.
    ///
    /// - Throws: `MCRError.badRound` where another run has spent the budget meanwhile, or `FileError`.
    public func write(to directory: String) throws -> SiteUpdate {
        if let known = ledger, let privacy {
            ledger = try PrivacyLedger.locked(known.path) {
                var ledger = try PrivacyLedger(path: known.path)
                guard ledger.entries == known.entries else {
                    throw MCRError(
                        .badRound(reason: "another run has made an update meanwhile; train this one again"),
                        path: known.path)
                }
                let steps = NoisySteps(
                    samplingRate: privacy.samplingRate, noise: privacy.noise, count: privacy.stepCount)
                try ledger.append(PrivacyLedger.Entry(base: round.id, steps: steps, isSeeded: privacy.isSeeded))
                return ledger
            }
        }
        try SiteUpdate.write(
            directory, round: round, site: site, count: pairCount, privacy: privacy, trainer.network, trainer.values)
        return try SiteUpdate(directory: directory)
    }
}
