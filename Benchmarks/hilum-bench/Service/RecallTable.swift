import Foundation
import HilumArchive
import HilumCore

/// Holds searches under filters of all widths against a comparison with every stored report: how much is found, and what it costs.
///
/// ```
/// questions  cases, points between two cases, sentences ─┐
/// conditions none, ranges of dates, views, findings ─────┼─→ searches, all conditions in turns ─→ recall@10, nodes visited, microseconds
/// every vector, once ─→ the score of the tenth match ────┘
/// ```
/// A hit is right if its score is at least that of the tenth case of an exact search: drawn and templated reports are often equally near.
struct RecallTable {
    /// What was found under one condition.
    struct Row {
        let filter: String
        /// Of all cases.
        let share: Double
        /// By kind of question, and of all.
        var recalls: [Double]
        var visited = 0.0
        var microseconds = 0.0
    }

    static let kinds = ["cases", "between", "sentences"]
    /// Those that people ask; between two cases, far from both, lies nothing that anybody looks for.
    static let askedKinds = [0, 2]
    static let k = 10
    /// Shares of all cases for which a range of dates is asked.
    private static let shares = [0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001]
    /// Shares of all cases near which a finding is sought, as a finding says where the vectors lie.
    private static let findingShares = [0.3, 0.1, 0.03, 0.01]
    /// Scores are floats.
    private static let tolerance: Float = 1e-6

    private struct Condition {
        let text: String
        let filter: Filter
        /// By place of a vector.
        let matching: [Bool]
        /// By question, the score that a hit needs; and how many hits there are.
        var bounds: [(score: Float, count: Int)] = []
    }

    private let archive: Archive
    private let questions: [(kind: Int, vector: [Float])]
    private var conditions: [Condition] = []

    /// Reads the whole archive.
    ///
    /// - Parameters:
    ///   - questionCount: of each kind.
    ///   - sentences: of reports; without them, or without an embedder, that kind is left out.
    init(_ archive: Archive, questionCount: Int, sentences: [String], seed: UInt64) throws {
        self.archive = archive
        guard let dimension = archive.dimension else { throw BenchError("the archive is empty") }
        var vectors: [Float] = []
        var fields: [CaseFields] = []
        try archive.forEachVector(.report, withReports: false) { record, _, vector in
            vectors += vector
            fields.append(record.fields)
            return true
        }
        guard fields.count > 1000 else { throw BenchError("a table of recall needs more than 1000 reports") }
        var generator = SeededGenerator(seed: seed)
        var questions: [(kind: Int, vector: [Float])] = []
        func stored() -> [Float] {
            let place = generator.integer(below: fields.count)
            return Array(vectors[(place * dimension)..<((place + 1) * dimension)])
        }
        for _ in 0..<questionCount { questions.append((0, stored())) }
        for _ in 0..<questionCount { questions.append((1, Self.unit(zip(stored(), stored()).map { $0 + $1 }))) }
        if let embedder = archive.embedder {
            for text in sentences.prefix(questionCount) {
                questions.append((2, Self.unit(try embedder.embed(reports: [text], threads: 1))))
            }
        }
        self.questions = questions
        conditions = try Self.conditions(archive, fields)
        // A row for each question, so that the vectors are read once.
        let threads = ProcessInfo.processInfo.activeProcessorCount
        let found = BenchThreads.map(threads) { [questions, vectors, conditions] thread in
            stride(from: thread, to: questions.count, by: threads).map { place in
                (place, Self.bounds(questions[place].vector, vectors, conditions))
            }
        }
        for index in conditions.indices {
            conditions[index].bounds = .init(repeating: (0, 0), count: questions.count)
        }
        for (place, bounds) in found.joined() {
            for index in conditions.indices { conditions[index].bounds[place] = bounds[index] }
        }
    }

    /// - Parameter ef: of the searches; nil leaves it to the archive.
    func rows(ef: Int?) throws -> [Row] {
        var rows = conditions.map { condition in
            Row(
                filter: condition.text,
                share: Double(condition.matching.count { $0 }) / Double(condition.matching.count),
                recalls: .init(repeating: 0, count: Self.kinds.count + 1))
        }
        var times = [[Double]](repeating: [], count: rows.count)
        var wanted = [[Int]](repeating: .init(repeating: 0, count: Self.kinds.count + 1), count: rows.count)
        for place in questions.indices {
            for (index, condition) in conditions.enumerated() {
                var request = SearchRequest(.vector(questions[place].vector))
                (request.k, request.ef, request.filter, request.target) = (Self.k, ef, condition.filter, .report)
                let response = try archive.search(request)
                let bound = condition.bounds[place]
                guard response.hits.count == bound.count else {
                    throw BenchError("\(condition.text): \(response.hits.count) hits of \(bound.count)")
                }
                let right = response.hits.count { $0.score >= bound.score - Self.tolerance }
                for kind in [questions[place].kind, Self.kinds.count] {
                    rows[index].recalls[kind] += Double(right)
                    wanted[index][kind] += bound.count
                }
                rows[index].visited += Double(response.visited) / Double(questions.count)
                times[index].append(Double(response.microseconds))
            }
        }
        for index in rows.indices {
            for kind in rows[index].recalls.indices { rows[index].recalls[kind] /= Double(wanted[index][kind]) }
            rows[index].microseconds = times[index].sorted()[times[index].count / 2]
        }
        return rows
    }

    /// None; ranges of dates, which are the same among all vectors; the most frequent view; findings of several frequencies.
    private static func conditions(_ archive: Archive, _ fields: [CaseFields]) throws -> [Condition] {
        var conditions: [Condition] = []
        func add(_ text: String, _ matches: (CaseFields) -> Bool) throws {
            let filter = try Filter(parsing: text)
            let matching = fields.map(matches)
            // Of a finding, reports can say more than cases were given.
            guard try archive.count(filter) == matching.count(where: { $0 }) else { return }
            guard !conditions.contains(where: { $0.text == text }) else { return }
            conditions.append(Condition(text: text.isEmpty ? "none" : text, filter: filter, matching: matching))
        }
        try add("") { _ in true }
        let dates = fields.compactMap(\.date).filter { $0.utf8.count == 10 }.sorted()
        for share in shares where dates.count == fields.count {
            let first = dates.count / 3
            let (lower, upper) = (dates[first], dates[min(dates.count - 1, first + Int(share * Double(dates.count)))])
            try add("date=\(lower)..\(upper)") { $0.date.map { $0 >= lower && $0 <= upper } ?? false }
        }
        if let view = try archive.facet(by: "view", limit: 1).values.first?.value {
            try add("view=\(Argument.quoted(view))") { $0.view == view }
        }
        var frequent: [String: Int] = [:]
        for finding in fields.lazy.flatMap(\.findings) { frequent[finding, default: 0] += 1 }
        for share in findingShares {
            func distance(_ count: Int) -> Double { abs(log(Double(count) / (share * Double(fields.count)))) }
            let nearest = frequent.min { (distance($0.value), $0.key) < (distance($1.value), $1.key) }
            if let name = nearest?.key {
                try add("finding=\(Argument.quoted(name))") { $0.findings.contains(name) }
            }
        }
        return conditions
    }

    /// By condition, the score of the tenth match, and how many hits that makes.
    private static func bounds(
        _ question: [Float], _ vectors: [Float], _ conditions: [Condition]
    ) -> [(score: Float, count: Int)] {
        let dimension = question.count
        var best = [[Float]](repeating: [], count: conditions.count)
        vectors.withUnsafeBufferPointer { vectors in
            question.withUnsafeBufferPointer { question in
                for place in 0..<(vectors.count / dimension) {
                    var sums = SIMD8<Double>.zero
                    for offset in stride(from: 0, to: dimension - dimension % 8, by: 8) {
                        for lane in 0..<8 {
                            sums[lane] +=
                                Double(question[offset + lane]) * Double(vectors[place * dimension + offset + lane])
                        }
                    }
                    var sum = sums.sum()
                    for offset in (dimension - dimension % 8)..<dimension {
                        sum += Double(question[offset]) * Double(vectors[place * dimension + offset])
                    }
                    let score = Float(sum)
                    for index in conditions.indices where conditions[index].matching[place] {
                        if best[index].count == k, score <= best[index][k - 1] { continue }
                        let position = best[index].firstIndex { $0 < score } ?? best[index].count
                        best[index].insert(score, at: position)
                        if best[index].count > k { best[index].removeLast() }
                    }
                }
            }
        }
        return best.map { ($0.last ?? 0, $0.count) }
    }

    private static func unit(_ vector: [Float]) -> [Float] {
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? vector.map { $0 / length } : vector
    }
}
