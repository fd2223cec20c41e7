import HilumCore
import Testing

@testable import HilumArchive

/// The values of a key that a case of the fixed set has.
private func values(_ input: CaseInput, _ key: String) throws -> Set<String> {
    switch key {
    case "finding", "findings":
        if !input.fields.findings.isEmpty { return Attributes.names(of: input.fields.findings) }
        return try said(input, "affirmed")
    case "affirmed", "denied", "uncertain": return try said(input, key)
    default: return Set([input.fields.text(key)].compactMap(\.self))
    }
}

/// The names of findings of which the report of a case says what the key asks for, wider names too.
private func said(_ input: CaseInput, _ key: String) throws -> Set<String> {
    let reader = try ReportWords.sharedReader()
    let assertions = ["affirmed": "present", "denied": "absent", "uncertain": "uncertain"]
    var names: Set<String> = []
    for finding in reader.read(input.report ?? "").findings where finding.assertion.rawValue == assertions[key] {
        // Who denies a finding does not deny the wider one.
        names.formUnion(key == "denied" ? [finding.name] : Set(reader.lexicon.lineage(of: finding.name)))
    }
    return names
}

/// The counts by value, the most frequent first, counted case by case.
private func oracle(_ inputs: [CaseInput], by key: String) throws -> [FacetValue] {
    var counts: [String: Int] = [:]
    for input in inputs { for value in try values(input, key) { counts[value, default: 0] += 1 } }
    return counts.map { FacetValue($0.key, $0.value) }.sorted { ($1.count, $0.value) < ($0.count, $1.value) }
}

private let keys = [
    "view", "site", "patient", "date", "age", "finding", "findings", "affirmed", "denied", "uncertain",
]

/// What sentences say is told apart, so that every kind of facet has something to count.
private func makeSpoken(_ index: Int) throws -> CaseInput {
    var input = try makeInput(index)
    let sentences = [
        "There is a left pleural effusion.", "No pneumothorax. No pleural effusion.", "Possible pneumonia.",
        "Cardiomegaly. No focal consolidation.", "Rib fracture cannot be excluded. Pulmonary edema.",
    ]
    if input.report != nil { input.report = sentences[index % 5] + " \(index)" }
    return input
}

@Suite struct FacetTests {
    private func expectAll(_ archive: Archive, _ inputs: [CaseInput], _ comment: String) throws {
        for filter in ["", "view=PA", "view!=PA site=B", "date=2020-03..2020-07", "affirmed=effusion", "patient=p3,p5"]
        {
            let parsed = try Filter(parsing: filter)
            let matching = try inputs.filter { try matches($0, filter) }
            #expect(try archive.count(parsed) == matching.count, "\(comment): \(filter)")
            for key in keys {
                let facet = try archive.facet(by: key, parsed, limit: 1000)
                #expect(facet.values == (try oracle(matching, by: key)), "\(comment): \(key) with \(filter)")
                #expect(facet.caseCount == matching.count && facet.distinctCount == facet.values.count)
            }
        }
    }

    private func matches(_ input: CaseInput, _ filter: String) throws -> Bool {
        switch filter {
        case "view=PA": input.fields.view == "PA"
        case "view!=PA site=B": input.fields.view != "PA" && input.fields.site == "B"
        case "date=2020-03..2020-07": ("2020-03"..<"2020-08").contains(input.fields.date ?? "")
        case "affirmed=effusion": try said(input, "affirmed").contains("effusion")
        case "patient=p3,p5": ["p3", "p5"].contains(input.fields.patient)
        default: true
        }
    }

    @Test("Facets and filters count what is there, after every kind of change and after opening again")
    func countsAreExact() throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive()
        var inputs = try (0..<700).map(makeSpoken)
        try archive.put(inputs)
        try expectAll(archive, inputs, "stored")
        // Asked for once more, now of what was kept in memory.
        try expectAll(archive, inputs, "kept")
        try archive.writeCheckpoint()
        try expectAll(archive, inputs, "checkpoint")
        // Other metadata alone, another report, fewer cases and more.
        for index in stride(from: 0, to: 700, by: 7) {
            inputs[index].fields.view = "LATERAL"
            inputs[index].fields.findings = ["nodule left"]
            inputs[index].fields.date = "2020-05"
        }
        for index in stride(from: 3, to: 700, by: 9) {
            inputs[index].report = "No nodule. Pleural effusion on both sides. \(index)"
        }
        try archive.put(inputs)
        try expectAll(archive, inputs, "changed")
        for index in stride(from: 699, to: 0, by: -5) {
            #expect(try archive.delete(id: inputs[index].id))
            inputs.remove(at: index)
        }
        let more = try (700..<800).map(makeSpoken)
        try archive.put(more)
        inputs += more
        try expectAll(archive, inputs, "fewer and more")
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        archive = try Archive(path: scratch.archive, mode: .readOnly, embedder: FakeEmbedder())
        try expectAll(archive, inputs, "opened again")
    }

    @Test("The count of a value is what a filter with it finds")
    func valuesAreFilters() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        var inputs = try (0..<300).map(makeSpoken)
        for index in stride(from: 1, to: 300, by: 6) {
            inputs[index].fields.findings = ["pleural effusion", "edema left"]
        }
        try archive.put(inputs)
        for key in keys {
            for value in try archive.facet(by: key).values {
                let condition = Filter.Condition(key: key, values: [.equal(value.value)])
                let count = try archive.count(Filter([condition]))
                // A date that is asked for takes what lies within its period, and all dates here are days.
                #expect(count == value.count, "\(key)=\(value.value)")
            }
        }
    }

    @Test("A limit keeps the most frequent values and still tells how many there are")
    func limits() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let inputs = try makeInputs(0..<500)
        try archive.put(inputs)
        let all = try oracle(inputs, by: "age")
        for limit in [1, 2, 7, 69, 70, 71, 5000] {
            for filter in [Filter(), try Filter(parsing: "view=PA,AP")] {
                let facet = try archive.facet(by: "age", filter, limit: limit)
                #expect(facet.values == Array(all.prefix(limit)) && facet.distinctCount == all.count)
            }
        }
    }

    @Test("More values than are kept in order are ordered all the same")
    func manyValues() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let inputs = (0..<2_500).map { index in
            CaseInput(id: "c\(index)", report: "r \(index)", fields: CaseFields(patient: "p\(index * index % 2_003)"))
        }
        try archive.put(inputs)
        let all = try oracle(inputs, by: "patient")
        #expect(all.count > ValueCounts.topCount)
        for limit in [10, ValueCounts.topCount, ValueCounts.topCount + 1, 10_000] {
            #expect(try archive.facet(by: "patient", limit: limit).values == Array(all.prefix(limit)))
        }
        #expect(try archive.delete(id: inputs[0].id))
        let fewer = try oracle(Array(inputs.dropFirst()), by: "patient")
        #expect(try archive.facet(by: "patient", limit: 10_000).values == fewer)
    }

    @Test(
        "A count whose time is over ends, and the next one is whole",
        arguments: ["view=PA", "date=2020-02..2020-09", "affirmed=effusion", "finding=nodule", "id=case-1..case-5"])
    func overdueCounts(text: String) throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<60)
        let filter = try Filter(parsing: text)
        let error = #expect(throws: ArchiveError.self) { try archive.count(filter, until: monotonicSeconds()) }
        #expect(error?.code == .deadline)
        let count = try archive.count(filter, until: monotonicSeconds() + 60)
        #expect(try count == archive.count(filter))
    }

    @Test("A facet whose time is over ends, is not kept, and the next one is whole")
    func overdueFacets() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<60)
        for key in ["view", "date", "finding", "affirmed", "denied"] {
            for text in ["", "view=PA", "date=2020-02..2020-09"] {
                let filter = try Filter(parsing: text)
                let error = #expect(throws: ArchiveError.self, "\(key) \(text)") {
                    try archive.facet(by: key, filter, until: monotonicSeconds())
                }
                #expect(error?.code == .deadline)
                let facet = try archive.facet(by: key, filter, until: monotonicSeconds() + 60)
                #expect(try facet.caseCount == archive.count(filter))
                #expect(try facet == archive.facet(by: key, filter))
            }
        }
    }

    @Test("A key that no case has is refused with one that is near, and an id is no facet")
    func wrongKeys() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(makeInputs(0..<20))
        let error = #expect(throws: ArchiveError.self) { try archive.facet(by: "veiw") }
        #expect(error?.code == .unknownKey("veiw") && error?.reason.contains("did you mean 'view'?") == true)
        for (key, limit) in [("id", 10), ("view", 0)] {
            let error = #expect(throws: ArchiveError.self) { try archive.facet(by: key, limit: limit) }
            #expect(error?.code == .badRequest)
        }
        let filter = try Filter(parsing: "veiw=PA")
        let other = #expect(throws: ArchiveError.self) { try archive.facet(by: "view", filter) }
        #expect(other?.code == .unknownKey("veiw"))
    }

    @Test("An empty archive has no values")
    func empty() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        for key in ["view", "affirmed", "finding"] {
            #expect(try archive.facet(by: key) == Facet(values: [], distinctCount: 0, caseCount: 0))
        }
    }

    @Test("Readers count while the writer changes cases, and what they are told was true at some moment")
    func countsBesideAWriter() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put(makeInputs(0..<400))
        let isEnding = AtomicFlag()
        let results = parallelMap(Array(0..<3), threads: 3) { worker -> String? in
            do {
                if worker == 0 {
                    defer { isEnding.raise() }
                    for round in 0..<20 {
                        try archive.put(makeInputs(400 + 10 * round..<410 + 10 * round))
                        _ = try archive.delete(id: "case-\(round)")
                    }
                    return nil
                }
                while !isEnding.isRaised {
                    let facet = try archive.facet(by: "view")
                    let sum = facet.values.reduce(0) { $0 + $1.count }
                    if sum != facet.caseCount { return "\(sum) values of \(facet.caseCount) cases" }
                    let both = try archive.facet(by: "site", try Filter(parsing: "view=PA"))
                    let inside = both.values.reduce(0) { $0 + $1.count }
                    // Some of those that matched may be deleted before they are counted, and 20 are in all.
                    if !(both.caseCount - 20...both.caseCount).contains(inside) {
                        return "\(inside) of \(both.caseCount)"
                    }
                }
                return nil
            } catch { return "\(error)" }
        }
        #expect(results.compactMap(\.self) == [])
        let left = try (20..<600).map(makeInput)
        #expect(try archive.facet(by: "view").values == (try oracle(left, by: "view")))
        #expect(
            try archive.facet(by: "site", Filter(parsing: "view=PA")).values
                == (try oracle(left.filter { $0.fields.view == "PA" }, by: "site")))
    }
}
