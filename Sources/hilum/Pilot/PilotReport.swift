import Foundation
import HilumCore
import HilumMCR

/// All that the page and the JSON of a trial say.
struct PilotReport: Encodable, Sendable {
    /// Pairs that were used and what was left out.
    struct Data: Encodable, Sendable {
        var pairs = 0
        /// Ids.
        var withoutImage: [String] = []
        var withoutReport: [String] = []
        /// Rows and files that could not be read, with the reason.
        var refused: [Refusal] = []
        /// Pairs of cases in different folds whose pictures look nearly alike.
        var lookalikes = 0

        struct Refusal: Encodable, Sendable {
            let source: String
            let reason: String
        }
    }

    struct Cost: Encodable, Sendable {
        /// Reading and decoding.
        let readSeconds: Double
        /// Of each fold: yardstick, fine-tuning and both evaluations (one was timed), and fine-tuning alone.
        let foldSeconds: [Double]
        let trainingSeconds: [Double]
        /// Pairs seen in a second of fine-tuning.
        let pairsPerSecond: Double
        /// Fine-tuning on all pairs, from the rate of the folds.
        let allPairsSeconds: Double
        let processor: String
        let cores: Int
        let threads: Int
        /// Reading and all folds.
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

        /// As Linux calls it; empty where it does not say.
        private static func processorName() -> String {
            guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
                let line = text.split(separator: "\n").first(where: { $0.hasPrefix("model name") }),
                let name = line.split(separator: ":", maxSplits: 1).last
            else { return "" }
            return name.trimmingCharacters(in: .whitespaces)
        }

    }

    /// A case that was found late, by number of the pair.
    struct Miss: Encodable, Sendable {
        let id: String
        let gallery: Int
        let imageToReportBefore: Double
        let imageToReportAfter: Double
        let reportToImageBefore: Double
        let reportToImageAfter: Double
        /// Ids of what stood first instead.
        let imageFound: [String]
        let reportFound: [String]
        /// For the pictures; not part of the JSON.
        var number = 0
        var imageFoundNumbers: [Int] = []
        var reportFoundNumbers: [Int] = []

        enum CodingKeys: String, CodingKey {
            case id, gallery, imageToReportBefore, imageToReportAfter, reportToImageBefore, reportToImageAfter
            case imageFound, reportFound
        }
    }

    var version = Help.version
    /// The day the trial began.
    var date: String
    var modelName: String
    var model: String
    var options: TrainingOptions
    /// Steps of a fold.
    var steps: [Int]
    var data: Data
    var cost: Cost
    var summary: PilotSummary
    var misses: [Miss]

    /// - Parameters:
    ///   - folds: all of the study's.
    ///   - readSeconds: what reading the pairs took when the trial began.
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

    /// Pairs of cases on two sides of a fold whose pictures have a correlation of 0.99 or more.
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

    /// One object, sorted keys.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// The cases whose other half stood latest after fine-tuning, both directions together, worst first.
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
