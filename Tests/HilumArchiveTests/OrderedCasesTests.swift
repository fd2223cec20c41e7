import HilumCore
import HilumIndex
import Testing

@testable import HilumArchive

@Suite struct OrderedCasesTests {
    private static let texts = [
        "2019", "2019-06", "2019-06-15", "20190615", "20190615103000", "2020/01/31", "1999.12.31", "5", "-3", "9.5",
        "2e2", "nan", "NA",
        "", "unknown", "2b", "0x10", "1e999", "20200101", "2019-13", "2021", "70", "0", "2019-06-15T10:30",
    ]
    private static let bounds = [
        "2019", "2019-06", "2019-06-15", "20190615", "5", "-3", "2020", "70", "a", "1999", "2019-13",
    ]

    @Test(
        "A range of orders selects what a scan with the condition selects",
        arguments: ["date", "study_date", "age", "year"])
    func rangesAreThoseOfTheCondition(_ key: String) throws {
        var answered = 0
        for lower in [nil] + Self.bounds {
            for upper in [nil] + Self.bounds where lower != nil || upper != nil {
                let value = Filter.Value.range(lower: lower, upper: upper)
                let condition = Filter.Condition(key: key, values: [value])
                guard let range = OrderedRange(value, key: key) else { continue }
                answered += 1
                var found = ItemSet()
                for part in range.parts {
                    let pairs = Self.texts.indices.compactMap { index in
                        part.order.value(of: Self.texts[index]).map { (value: $0, numbers: [UInt32(index)]) }
                    }
                    found = found.union(OrderedCases(pairs).cases(from: part.lower, to: part.upper))
                }
                let wanted = Self.texts.indices.filter { condition.matches(value, Self.texts[$0]) }.map { UInt32($0) }
                #expect(found.items == wanted, "\(key)=\(lower ?? "")..\(upper ?? "")")
            }
        }
        #expect(answered > 50)
    }

    @Test("Ranges are those of a scan while cases come and go, also where buckets are cut", arguments: [1, 7, 900])
    func changes(_ distinct: Int) {
        var generator = SeededGenerator(seed: 5, keys: UInt64(distinct))
        var values: [UInt32: Double] = [:]
        for number in 0..<UInt32(1_500) { values[number] = Double(generator.integer(below: distinct)) }
        var byValue: [Double: [UInt32]] = [:]
        for (number, value) in values { byValue[value, default: []].append(number) }
        var ordered = OrderedCases(byValue.map { ($0.key, $0.value.sorted()) })
        func expect(_ comment: String) {
            for _ in 0..<40 {
                let ends = [0, 1].map { _ in Double(generator.integer(below: distinct + 4)) - 2 }
                for (lower, upper) in [(ends[0], ends[1]), (ends[0], nil), (nil, ends[1]), (nil, nil)]
                    as [(Double?, Double?)]
                {
                    let wanted = values.filter { (lower ?? -.infinity) <= $0.value && $0.value <= (upper ?? .infinity) }
                    #expect(ordered.cases(from: lower, to: upper).items == wanted.keys.sorted(), "\(comment)")
                }
            }
        }
        expect("made")
        for round in 0..<6 {
            // New cases have late values, as new dates are, so that the last bucket grows.
            for number in UInt32(1_500 + round * 700)..<UInt32(2_200 + round * 700) {
                let value = Double(distinct * (round + 1) / 3 + generator.integer(below: distinct))
                values[number] = value
                ordered.insert(number, value)
                ordered.insert(number, value)
            }
            for number in values.keys.sorted() where generator.chance(0.2) {
                if let value = values.removeValue(forKey: number) { ordered.remove(number, value) }
            }
            expect("round \(round)")
        }
    }

    @Test("What filters and facets remember is bounded, and what is forgotten is made again")
    func memoryIsBounded() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let inputs = (0..<900).map { index in
            CaseInput(
                id: "c\(index)", report: "r \(index)",
                fields: CaseFields(
                    metadata: Dictionary(uniqueKeysWithValues: (0..<7).map { ("k\($0)", "\(index * ($0 + 1) % 97)") })))
        }
        try archive.put(inputs)
        func ask(_ keys: Range<Int>) throws {
            for key in keys {
                let wanted = inputs.indices.count { (30...60).contains($0 * (key + 1) % 97) }
                #expect(try archive.count(Filter(parsing: "k\(key)=30..60")) == wanted)
                let facet = try archive.facet(by: "k\(key)", Filter(parsing: "k0=30..60"), limit: 1000)
                #expect(facet.values.reduce(0) { $0 + $1.count } == facet.caseCount)
            }
        }
        try ask(0..<6)
        let all = archive.attributes.read { $0.rememberedByteCount }
        #expect(all > 0 && all <= Attributes.RememberedLimit().byteCount(caseCount: 900))
        archive.attributes.write { $0.rememberedLimit = .init(base: all / 3, ofCase: 0) }
        for _ in 0..<3 {
            // Something is forgotten whenever something new is remembered.
            try ask(0..<7)
            #expect(archive.attributes.read { $0.rememberedByteCount } <= all / 3)
        }
        #expect(try archive.stats().filterBytes > 0)
    }
}
