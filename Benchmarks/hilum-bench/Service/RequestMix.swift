import Foundation
import HilumArchive
import HilumCore

/// What a load asks an archive, drawn from what is in it.
struct RequestMix {
    /// Requests that cost about the same.
    struct Kind {
        let name: String
        /// With the line feed.
        var lines: [[UInt8]]
        /// The same searches for the archive in process; empty for what is not compared.
        var searches: [SearchRequest] = []

        /// Whether the words of reports are asked.
        var hasWords: Bool { name.hasPrefix("text") }

        init(_ name: String, _ lines: [String], searches: [SearchRequest] = []) {
            self.name = name
            self.lines = lines.map { Array("\($0)\n".utf8) }
            self.searches = searches
        }
    }

    private static let sampleCount = 4096
    private static let questionCount = 512
    private static let rangeCount = 64
    /// The most frequent value of it is the condition where none is named.
    private static let standardKey = "view"

    private let archive: Archive
    private var ids: [String] = []
    private var dates: [String] = []
    private var vectors: [[Float]] = []
    private var texts: [String] = []
    private var hasPatients = false
    /// Conditions that searches are tried with.
    let filters: [String]

    /// - Parameters:
    ///   - filters: separated by semicolons; nil takes the most frequent view.
    ///   - seed: decides the sample.
    init(_ archive: Archive, filters: String?, seed: UInt64) throws {
        self.archive = archive
        var generator = SeededGenerator(seed: seed)
        var (sample, days, isOfPatients, count) = ([String](), [String](), false, 0)
        try archive.forEachCase { record in
            count += 1
            if record.fields.patient != nil { isOfPatients = true }
            // Every case has the same chance to be in the sample (Vitter, ACM TOMS 1985, algorithm R).
            let place = sample.count < Self.sampleCount ? sample.count : generator.integer(below: count)
            guard place < Self.sampleCount else { return true }
            if place == sample.count { sample.append(record.id) } else { sample[place] = record.id }
            if let date = record.fields.date, date.utf8.count == 10 { days.append(date) }
            return true
        }
        (ids, dates, hasPatients) = (sample, days.sorted(), isOfPatients)
        if let filters {
            self.filters = filters.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
        } else {
            let facet = try? archive.facet(by: Self.standardKey, limit: 1)
            self.filters = facet?.values.first.map { ["\(Self.standardKey)=\(Argument.quoted($0.value))"] } ?? []
        }
        guard !ids.isEmpty else { throw BenchError("the archive has no cases") }
        for id in ids.prefix(Self.questionCount) {
            if let stored = try archive.vectors(id: id), let vector = stored[.report] ?? stored[.image] {
                vectors.append(Self.near(vector, &generator))
            }
            if let text = try archive.get(id: id)?.report, let sentence = Self.sentence(text, &generator) {
                texts.append(sentence)
            }
        }
    }

    /// Searches, with conditions and without; the first two are without.
    func searches() throws -> [Kind] {
        func kind(_ name: String, _ parts: [(String, Query)], _ filter: String = "") throws -> Kind {
            let more = filter.isEmpty ? "" : " \(filter)"
            return Kind(
                name, parts.map { "SEARCH \($0.0)\(more)" },
                searches: try parts.map { part in
                    var request = SearchRequest(part.1)
                    request.filter = try Filter(parsing: filter)
                    return request
                })
        }
        let byID = ids.map { ("id=\(Argument.quoted($0))", Query.id($0)) }
        let byVector = vectors.map { ("vec=\(Self.text($0))", Query.vector($0)) }
        let byText = texts.map { ("text=\(Argument.quoted($0))", Query.text($0)) }
        var kinds = [try kind("id", byID)]
        if !vectors.isEmpty { kinds.append(try kind("vec", byVector)) }
        if !texts.isEmpty, archive.embedder != nil { kinds.append(try kind("text", byText)) }
        for filter in filters {
            kinds.append(try kind("id, \(filter)", byID, filter))
            if !texts.isEmpty, archive.embedder != nil { kinds.append(try kind("text, \(filter)", byText, filter)) }
        }
        if !ranges.isEmpty {
            kinds.append(
                Kind("id, date=A..B", byID.indices.map { "SEARCH \(byID[$0].0) \(ranges[$0 % ranges.count])" }))
        }
        return kinds
    }

    /// What is counted.
    func counts() -> [Kind] {
        var kinds = [Kind("COUNT", ["COUNT"])]
        if let filter = filters.first { kinds.append(Kind("COUNT \(filter)", ["COUNT \(filter)"])) }
        if !ranges.isEmpty { kinds.append(Kind("COUNT date=A..B", ranges.map { "COUNT \($0)" })) }
        let keys = ["view", "date", "finding", "affirmed"].filter { (try? archive.facet(by: $0, limit: 1)) != nil }
        for key in keys {
            kinds.append(Kind("FACET by=\(key)", ["FACET by=\(key)"]))
            if let filter = filters.first {
                kinds.append(Kind("FACET by=\(key) \(filter)", ["FACET by=\(key) \(filter)"]))
            }
            if !ranges.isEmpty {
                kinds.append(Kind("FACET by=\(key) date=A..B", ranges.map { "FACET by=\(key) \($0)" }))
            }
        }
        kinds.append(Kind("STATS", ["STATS"]))
        return kinds
    }

    /// Hits that are picked, and pages.
    func selections(_ ask: (String) throws -> [String: String]) rethrows -> [Kind] {
        let questions = ids.prefix(Self.questionCount).map { "SEARCH id=\(Argument.quoted($0))" }
        var kinds = [
            Kind("id, mmr=0.5", questions.map { "\($0) mmr=0.5" }),
            Kind("id, dedup=0.95", questions.map { "\($0) dedup=0.95" }),
        ]
        if hasPatients { kinds.append(Kind("id, group=patient", questions.map { "\($0) group=patient" })) }
        kinds.append(Kind("id, first page", questions.map { "\($0) cursor=start" }))
        // Asked in turns with the first page of the same question, as a person would.
        let next = try questions.compactMap { question in
            try ask("\(question) cursor=start")["cursor"].map { "\(question) cursor=\($0)" }
        }
        if next.count == questions.count { kinds.append(Kind("id, next page", next)) }
        return kinds
    }

    /// Lines that store `count` new cases with reports like those that are there.
    func puts(_ count: Int) -> [[UInt8]] {
        (0..<count).map { number in
            let parts = (0..<4).map { texts[(number * (7 * $0 + 1) + 131 * $0) % texts.count] }
            let report = Argument.quoted(parts.joined(separator: ". ") + " \(number).")
            return Array("PUT id=\(Self.putPrefix)\(number) report=\(report) view=PA date=2031-01-01\n".utf8)
        }
    }

    /// Whether there are reports to make new ones of.
    var hasTexts: Bool { !texts.isEmpty }

    /// Sentences of stored reports.
    var sentences: [String] { texts }

    static let putPrefix = "hilum-bench-"

    /// Ranges of dates, each with a third of the cases.
    private var ranges: [String] {
        let width = dates.count / 3
        guard width > 0 else { return [] }
        return (0..<Self.rangeCount).map { number in
            let first = number * (dates.count - width - 1) / Self.rangeCount
            return "date=\(dates[first])..\(dates[first + width])"
        }
    }

    /// A vector near a stored one that nobody has stored.
    private static func near(_ vector: [Float], _ generator: inout SeededGenerator) -> [Float] {
        let scale = 0.3 / Float(vector.count).squareRoot()
        return vector.map { $0 + scale * Float(generator.normal()) }
    }

    private static func text(_ vector: [Float]) -> String {
        var octets = Data()
        for value in vector { withUnsafeBytes(of: value.bitPattern.littleEndian) { octets.append(contentsOf: $0) } }
        return "f32:\(octets.base64EncodedString())"
    }

    private static func sentence(_ report: String, _ generator: inout SeededGenerator) -> String? {
        let parts = report.split { $0 == "." || $0 == "\n" || $0 == ":" }
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { (12...100).contains($0.utf8.count) && $0.utf8.allSatisfy { $0 >= 32 && $0 < 127 && $0 != 34 } }
        return parts.isEmpty ? nil : parts[generator.integer(below: parts.count)]
    }
}
