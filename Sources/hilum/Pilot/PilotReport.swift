import Foundation
import HilumCore
import HilumEvaluation
import HilumMCR

/// All results of a pilot, for its page and its JSON.
struct PilotReport: Sendable {
    /// Who made its page and its figures, as both say.
    static let program = "hilum pilot"

    /// The pairs that were used, and what was left out.
    struct Data: Sendable {
        var pairs = 0
        /// Whether the labels were read from the reports, because no case names a finding.
        var hasLabelsFromReports = false
        /// Ids.
        var withoutImage: [String] = []
        var withoutReport: [String] = []
        /// Rows and files that could not be read, with the reason.
        var refused: [Refusal] = []
        /// Pairs of cases in different folds whose images are nearly identical.
        var lookalikes = 0

        struct Refusal: Sendable {
            let source: String
            let reason: String
        }
    }

    struct Cost: Sendable {
        /// Seconds for reading and decoding.
        let readSeconds: Double
        /// Seconds per fold for baselines, fine-tuning and both evaluations (one was timed), and for fine-tuning alone.
        let foldSeconds: [Double]
        let trainingSeconds: [Double]
        /// Pairs per second of fine-tuning.
        let pairsPerSecond: Double
        /// Estimated seconds for fine-tuning on all pairs, from the rate of the folds.
        let allPairsSeconds: Double
        let processor: String
        let cores: Int
        let threads: Int
        /// Seconds for reading and all folds.
        let totalSeconds: Double

        init(_ study: PilotStudy, _ folds: [PilotFold], readSeconds: Double, steps: [Int]) {
            self.readSeconds = readSeconds
            foldSeconds = folds.map { $0.yardstickSeconds + 2 * $0.evaluationSeconds + $0.trainingSeconds }
            trainingSeconds = folds.map(\.trainingSeconds)
            let seen = zip(folds, steps).reduce(0) { $0 + $1.1 * min(study.options.batchSize, $1.0.trainingCount) }
            pairsPerSecond = Double(seen) / max(trainingSeconds.reduce(0, +), 1e-9)
            let count = study.pairs.count
            allPairsSeconds =
                Double(study.stepCount(pairCount: count) * min(study.options.batchSize, count))
                / max(pairsPerSecond, 1e-9)
            processor = Self.processorName()
            cores = ProcessInfo.processInfo.activeProcessorCount
            threads = study.options.threads
            totalSeconds = readSeconds + foldSeconds.reduce(0, +)
        }

        /// The name of the processor as Linux reports it; empty if it does not.
        private static func processorName() -> String {
            guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
                let line = text.split(separator: "\n").first(where: { $0.hasPrefix("model name") }),
                let name = line.split(separator: ":", maxSplits: 1).last
            else { return "" }
            return name.trimmingCharacters(in: .whitespaces)
        }

    }

    /// A case that was found late, by the number of its pair.
    struct Miss: Sendable {
        let id: String
        let gallery: Int
        let imageToReportBefore: Double
        let imageToReportAfter: Double
        let reportToImageBefore: Double
        let reportToImageAfter: Double
        /// Ids of the hits that ranked first instead.
        let imageFound: [String]
        let reportFound: [String]
        /// Used for the images; not part of the JSON.
        var number = 0
        var imageFoundNumbers: [Int] = []
        var reportFoundNumbers: [Int] = []
    }

    var version = Release.version
    /// The day on which the pilot began.
    var date: String
    var modelName: String
    var model: String
    var options: TrainingOptions
    /// Training steps per fold.
    var steps: [Int]
    var data: Data
    var cost: Cost
    var summary: PilotSummary
    var misses: [Miss]

    /// - Parameters:
    ///   - folds: all folds of the study.
    ///   - readSeconds: the seconds for reading the pairs when the pilot began.
    init(
        date: String, modelName: String, study: PilotStudy, folds: [PilotFold], data: Data, readSeconds: Double
    ) {
        self.date = date
        self.modelName = modelName
        model = study.start.modelID
        options = study.options
        self.data = data
        steps = folds.map { study.stepCount(pairCount: $0.trainingCount) }
        cost = Cost(study, folds, readSeconds: readSeconds, steps: steps)
        summary = PilotSummary(folds, study: study)
        misses = Self.misses(folds, study, count: 8)
        self.data.lookalikes = Self.lookalikes(study)
    }

    /// Pairs of cases in different folds whose images correlate by 0.99 or more.
    private static func lookalikes(_ study: PilotStudy) -> Int {
        var count = 0
        for first in study.pairs.indices {
            for second in study.pairs.indices.dropFirst(first + 1)
            where study.folds.foldOf[first] != study.folds.foldOf[second] {
                let likeness = PlainPixels.correlation(study.pairs[first].pixels, study.pairs[second].pixels)
                count += likeness >= 0.99 ? 1 : 0
            }
        }
        return count
    }

    /// The cases whose match ranked lowest after fine-tuning, in both directions together, worst first.
    static func misses(_ folds: [PilotFold], _ study: PilotStudy, count: Int) -> [Miss] {
        var found: [(lateness: Double, miss: Miss)] = []
        for fold in folds.sorted(by: { $0.fold < $1.fold }) {
            guard let before = fold.ranks[PilotMethod.before.rawValue],
                let after = fold.ranks[PilotMethod.after.rawValue]
            else { continue }
            for (place, number) in fold.test.enumerated() {
                let lateness = after.imageToReport[place] + after.reportToImage[place]
                guard lateness > 2 else { continue }
                let (first, second) = (fold.imageFinds[place], fold.reportFinds[place])
                found.append(
                    (
                        lateness / Double(fold.test.count),
                        Miss(
                            id: study.pairs[number].id, gallery: fold.test.count,
                            imageToReportBefore: before.imageToReport[place],
                            imageToReportAfter: after.imageToReport[place],
                            reportToImageBefore: before.reportToImage[place],
                            reportToImageAfter: after.reportToImage[place],
                            imageFound: first.map { study.pairs[$0].id },
                            reportFound: second.map { study.pairs[$0].id },
                            number: number, imageFoundNumbers: first, reportFoundNumbers: second)
                    ))
            }
        }
        return found.sorted { ($1.lateness, $0.miss.number) < ($0.lateness, $1.miss.number) }.prefix(count).map(\.miss)
    }
}
