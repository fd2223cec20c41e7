import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Every case with its best vector, the best first, compared with all of them.
private struct Ranked {
    let id: String
    let index: Int
    let score: Double
    let vector: [Float]
}

private func product(_ left: [Float], _ right: [Float]) -> Double {
    zip(left, right).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

private func ranked(_ archive: Archive, _ question: [Float], _ target: SearchTarget = .case) throws -> [Ranked] {
    let length = product(question, question).squareRoot()
    var best: [String: Ranked] = [:]
    for kind in target.kinds {
        try archive.forEachVector(kind) { id, vector in
            let score = product(question, vector) / length
            let index = Int(id.dropFirst("case-".count)) ?? 0
            if best[id].map({ score > $0.score }) ?? true {
                best[id] = Ranked(id: id, index: index, score: score, vector: vector)
            }
            return true
        }
    }
    return best.values.sorted { ($1.score, $0.index) < ($0.score, $1.index) }
}

private func randomVector(_ seed: Int, count: Int = 32) -> [Float] {
    var generator = SeededGenerator(seed: 17, keys: UInt64(seed))
    return (0..<count).map { _ in Float(generator.normal()) }
}

private func exactly(_ vector: [Float], k: Int, _ filter: String = "") throws -> SearchRequest {
    var request = SearchRequest(.vector(vector))
    request.k = k
    request.isExact = true
    request.filter = try Filter(parsing: filter)
    return request
}

@Suite struct SelectionTests {
    @Test("One hit a patient is the best of each, k of them whenever k patients match, with the count of the others")
    func groups() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<400)
        for seed in 0..<6 {
            let question = randomVector(seed)
            let all = try ranked(archive, question)
            for (filter, view) in [("", nil), ("view=PA", "PA")] as [(String, String?)] {
                let matching = try all.filter { try view == nil || makeInput($0.index).fields.view == view }
                let others = Dictionary(grouping: matching) { $0.index / 4 }.mapValues { $0.count - 1 }
                var seen: Set<Int> = []
                let best = matching.filter { seen.insert($0.index / 4).inserted }
                for k in [1, 10, 70, 100, 150] {
                    var request = try exactly(question, k: k, filter)
                    request.group = "patient"
                    let response = try archive.search(request)
                    let hits = response.hits
                    #expect(hits.map(\.id) == best.prefix(k).map(\.id), "k \(k) \(filter)")
                    #expect(hits.map(\.rank) == Array(1...hits.count))
                    #expect(hits.map { $0.group?.others } == best.prefix(k).map { others[$0.index / 4] })
                    #expect(
                        hits.allSatisfy { $0.group?.key == "patient" && $0.group?.value == $0.record.fields.patient })
                    #expect(response.isShortOfSelection == (k == 150) && !response.isShortOfFilter)
                    request.isExact = false
                    #expect(try archive.search(request).hits.count == min(k, best.count))
                }
            }
        }
    }

    @Test("Two groups of many near cases each are found, however many cases stand before the second")
    func fewLargeGroups() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        var inputs = (0..<1_200).map { CaseInput(id: "case-\($0)", report: "effusion left base \($0 % 7)") }
        for index in inputs.indices { inputs[index].fields.site = index < 1_190 ? "A" : nil }
        inputs[1_195].fields.site = "B"
        inputs[1_195].report = "spine device"
        try archive.put(inputs)
        for mode in SearchMode.allCases {
            var request = SearchRequest(.text("effusion left base"))
            request.mode = mode
            request.group = "site"
            request.k = 12
            let hits = try archive.search(request).hits
            let sites = hits.map { $0.record.fields.site }
            #expect(sites.count { $0 == "A" } == 1, "\(mode)")
            // Cases without the key stand for themselves.
            #expect(sites.count { $0 == nil } == 9, "\(mode)")
            if mode != .words { #expect(sites.contains("B")) }
            #expect(hits.first { $0.record.fields.site == "A" }?.group?.others == 1_189)
            #expect(hits.allSatisfy { ($0.group == nil) == ($0.record.fields.site == nil) })
        }
    }

    @Test("A case that is nearly the same as a better one is no hit", arguments: [0.5, 0.8, 0.95, 1])
    func dropsDuplicates(_ threshold: Float) throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<300)
        for seed in 0..<5 {
            let question = randomVector(seed)
            var kept: [Ranked] = []
            var dropped: [Ranked] = []
            for candidate in try ranked(archive, question) {
                let isNear = kept.contains { product($0.vector, candidate.vector) >= Double(threshold) - 1e-6 }
                if isNear { dropped.append(candidate) } else { kept.append(candidate) }
            }
            // One template is the report of every tenth case.
            #expect(!dropped.isEmpty)
            for k in [5, 40, 300] {
                var request = try exactly(question, k: k)
                request.dedup = threshold
                let response = try archive.search(request)
                #expect(response.hits.map(\.id) == kept.prefix(k).map(\.id), "k \(k)")
                if k == 300 {
                    #expect(response.droppedCount == dropped.count && response.isShortOfSelection)
                }
                request.isExact = false
                #expect(try archive.search(request).hits.count == min(k, kept.count))
            }
        }
    }

    @Test("Maximal marginal relevance picks as the paper says, and 1 changes nothing", arguments: [0, 0.3, 0.7, 1])
    func picksByMarginalRelevance(_ lambda: Float) throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<300)
        for seed in 0..<4 {
            let question = randomVector(seed)
            let pool = Array(try ranked(archive, question).prefix(Diversity.poolCount(10)))
            var rest = pool
            var picked: [Ranked] = []
            while picked.count < 10 {
                func worth(_ candidate: Ranked) -> Double {
                    let likeness = picked.map { product($0.vector, candidate.vector) }.max()
                    guard let likeness else { return candidate.score }
                    return Double(lambda) * candidate.score - (1 - Double(lambda)) * likeness
                }
                let worths = rest.map(worth)
                let place = worths.indices.first { worths[$0] >= (worths.max() ?? 0) - 1e-7 } ?? 0
                picked.append(rest.remove(at: place))
            }
            var request = try exactly(question, k: 10)
            request.mmr = lambda
            let hits = try archive.search(request).hits
            #expect(hits.map(\.id) == picked.map(\.id))
            #expect(hits.map(\.rank) == Array(1...10))
            for (hit, wanted) in zip(hits, picked) { #expect(abs(Double(hit.score) - wanted.score) < 1e-5) }
            if lambda == 1 { #expect(hits.map(\.id) == pool.prefix(10).map(\.id)) }
        }
    }

    @Test("With words too, diversity returns k hits, and none twice")
    func diversityOfWords() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<300)
        for lambda in [Float(0), 0.5, 1] {
            var request = SearchRequest(.text("effusion left"))
            request.k = 20
            let plain = try archive.search(request).hits.map(\.id)
            request.mmr = lambda
            let hits = try archive.search(request).hits
            #expect(hits.count == 20 && Set(hits.map(\.id)).count == 20)
            if lambda == 1 { #expect(Set(hits.map(\.id)).intersection(plain).count >= 15) }
        }
    }

    @Test("What a question is unlike is subtracted from it")
    func subtracts() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<200)
        for (index, weight) in [(30, Float(1)), (34, 0.5), (36, 2)] {
            let vectors = try #require(try archive.vectors(id: "case-\(index)"))
            let away = try #require(vectors[.image] ?? vectors[.report])
            let question = randomVector(index)
            let length = Float(product(question, question).squareRoot())
            let difference = zip(question, away).map { $0 / length - weight * $1 }
            var request = try exactly(question, k: 25)
            request.parts.append(.init(.id("case-\(index)"), weight: -weight))
            #expect(try archive.search(request).hits.map(\.id) == ranked(archive, difference).prefix(25).map(\.id))
            request.includesSelf = false
            request.k = 200
            #expect(try archive.search(request).hits.allSatisfy { $0.id != "case-\(index)" })
        }
    }

    @Test("A case that a question with words is unlike is no hit; vectors alone only put it behind")
    func unlikeWithWords() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<120)
        for (mode, filter) in [(nil, ""), (.words, ""), (nil, "view=PA"), (.hybrid, "")] as [(SearchMode?, String)] {
            var request = SearchRequest(.text("effusion left"))
            request.mode = mode
            request.filter = try Filter(parsing: filter)
            let plain = try archive.search(request).hits.map(\.id)
            try #require(plain.count == 10)
            request.parts.append(.init(.id(plain[0]), weight: -0.5))
            request.parts.append(.init(.id(plain[3]), weight: -0.25))
            let hits = try archive.search(request).hits.map(\.id)
            #expect(hits.count == 10 && !hits.contains(plain[0]) && !hits.contains(plain[3]))
            if mode == .words { #expect(hits.prefix(8) == (plain[1...2] + plain[4...])[...]) }
            // With no weight, or to be like it: as if it were not said, or more so.
            for weight in [-0, 1] as [Float] {
                request.parts[1] = .init(.id(plain[0]), weight: weight)
                request.parts[2] = .init(.id(plain[3]), weight: weight)
                #expect(try archive.search(request).hits.contains { $0.id == plain[0] })
            }
        }
        var request = SearchRequest(.text("effusion left"))
        (request.mode, request.k, request.isExact) = (.vector, 120, true)
        let nearest = try #require(try archive.search(request).hits.first).id
        request.parts.append(.init(.id(nearest), weight: -1.5))
        let hits = try archive.search(request).hits
        #expect(hits.count == 120 && hits.first?.id != nearest && hits.contains { $0.id == nearest })
    }

    @Test("Selections that make no sense are refused")
    func refusals() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<20)
        func code(_ change: (inout SearchRequest) -> Void) -> ArchiveError.Code? {
            var request = SearchRequest(.id("case-3"))
            change(&request)
            do {
                _ = try archive.search(request)
                return nil
            } catch { return (error as? ArchiveError)?.code }
        }
        #expect(code { _ in } == nil)
        #expect(code { $0.group = "patinet" } == .unknownKey("patinet"))
        for key in ["id", "finding", "findings", "affirmed", "denied", "uncertain"] {
            #expect(code { $0.group = key } == .badRequest)
        }
        for value in [Float(-0.1), 1.5, .nan] {
            #expect(code { $0.mmr = value } == .badRequest)
            #expect(code { $0.dedup = value } == .badRequest)
        }
        #expect(code { ($0.mmr, $0.k) = (0.5, 1_001) } == .limit)
        #expect(code { ($0.dedup, $0.k, $0.cursor) = (0.5, 101, "start") } == .limit)
        #expect(code { ($0.mmr, $0.cursor) = (0.5, "start") } == .badRequest)
        #expect(code { ($0.recall, $0.cursor) = (0.5, "start") } == .badRequest)
    }
}

@Suite struct CursorTests {
    /// All pages of a question, each of `k` hits.
    private func pages(_ archive: Archive, _ request: SearchRequest, k: Int) throws -> [[Hit]] {
        var request = request
        request.k = k
        request.cursor = SearchCursor.start
        var pages: [[Hit]] = []
        while pages.count < 1_000 {
            let response = try archive.search(request)
            pages.append(response.hits)
            let next: String = try #require(response.cursor)
            if next == SearchCursor.end { break }
            request.cursor = next
        }
        return pages
    }

    @Test("Pages are the whole list, each hit once and in order", arguments: [1, 7, 50, 100, 333])
    func pagesAreTheList(_ k: Int) throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<300)
        let question = randomVector(k)
        var request = try exactly(question, k: 300)
        let all = try archive.search(request).hits
        let found = try pages(archive, request, k: k)
        #expect(found.joined().map(\.id) == all.map(\.id))
        #expect(found.joined().map(\.rank) == Array(1...300))
        #expect(found.dropLast().allSatisfy { $0.count == k })
        // With words, in groups and without doubles too; the last page says that it is the last.
        request = SearchRequest(.text("effusion left"))
        request.group = "patient"
        request.filter = try Filter(parsing: "view=PA")
        let grouped = try pages(archive, request, k: k).joined()
        #expect(grouped.count == 75 && Set(grouped.map { $0.record.fields.patient }).count == 75)
    }

    @Test("The list that pages are cut from has an end, and says so")
    func theWindowEnds() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put((0..<1_300).map { CaseInput(id: "case-\($0)", report: makeReport($0)) })
        let found = try pages(archive, SearchRequest(.vector(randomVector(1))), k: 100)
        #expect(found.count == SearchCursor.leastWindow / 100 && found.allSatisfy { $0.count == 100 })
        #expect(Set(found.joined().map(\.id)).count == SearchCursor.leastWindow)
        var request = SearchRequest(.vector(randomVector(1)))
        (request.k, request.cursor) = (100, SearchCursor.start)
        var said: [Bool] = []
        while request.cursor != SearchCursor.end {
            let response = try archive.search(request)
            said.append(response.isShortOfPages)
            request.cursor = response.cursor
        }
        #expect(said == [Bool](repeating: false, count: 9) + [true])
    }

    /// Between the first and the last step of a commit in memory, a search may see a part of it.
    @Test("A page that was searched while a case was stored says so, and a first page is searched again")
    func pagesBesideAWriter() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<40)
        let stop = AtomicFlag()
        let writer = DispatchGroup()
        writer.enter()
        Thread.detachNewThread {
            var next = 40
            while !stop.isRaised && next < 400 {
                try? store(archive, next..<(next + 1))
                next += 1
            }
            writer.leave()
        }
        var (whole, stale) = (0, 0)
        for _ in 0..<60 {
            var request = SearchRequest(.id("case-1"))
            request.isExact = true
            request.k = 7
            request.cursor = SearchCursor.start
            var pages: [[String]] = []
            do {
                while let cursor = request.cursor, cursor != SearchCursor.end {
                    let response = try archive.search(request)
                    pages.append(response.hits.map(\.id))
                    request.cursor = response.cursor
                }
                let ids = pages.flatMap(\.self)
                #expect(Set(ids).count == ids.count, "no hit stands on two pages")
                #expect(ids.count >= 30 && pages.dropLast().allSatisfy { $0.count == 7 }, "no page has gaps")
                whole += 1
            } catch let error as ArchiveError {
                #expect(error.code == .stale)
                stale += 1
            }
        }
        stop.raise()
        writer.wait()
        #expect(whole + stale == 60)
        var request = SearchRequest(.id("case-1"))
        request.k = 3
        request.cursor = SearchCursor.start
        let before = archive.attributes.read { $0.version }
        let cursor = try #require(try archive.search(request).cursor)
        // The last step of a commit, after which nothing that was searched meanwhile may be called current.
        archive.attributes.write { $0.noteChange() }
        #expect(archive.attributes.read { $0.version } != before)
        request.cursor = cursor
        let error = #expect(throws: ArchiveError.self) { try archive.search(request) }
        #expect(error?.code == .stale)
    }

    @Test("A cursor is stale once a case is stored, changed or deleted, and not before")
    func becomesStale() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<60)
        var request = try exactly(randomVector(3), k: 10)
        func code(_ cursor: String) -> ArchiveError.Code? {
            request.cursor = cursor
            do {
                _ = try archive.search(request)
                return nil
            } catch { return (error as? ArchiveError)?.code }
        }
        func fresh() throws -> String {
            request.cursor = SearchCursor.start
            return try #require(try archive.search(request).cursor)
        }
        var cursor = try fresh()
        try archive.writeCheckpoint()
        _ = try archive.facet(by: "view")
        #expect(code(cursor) == nil, "neither a checkpoint nor questions change what is there")
        _ = try archive.put([makeInput(5)])
        #expect(code(cursor) == nil, "the same case again changes nothing")
        try store(archive, 60..<61)
        #expect(code(cursor) == .stale)
        cursor = try fresh()
        #expect(code(cursor) == nil)
        var changed = try makeInput(7)
        changed.fields.site = "elsewhere"
        try archive.put([changed])
        #expect(code(cursor) == .stale)
        cursor = try fresh()
        #expect(try archive.delete(id: "case-9"))
        #expect(code(cursor) == .stale)
    }

    @Test("A cursor of another question, and what is none, are refused")
    func refusals() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<60)
        let plain = try exactly(randomVector(3), k: 10)
        var request = plain
        request.cursor = SearchCursor.start
        let cursor = try #require(try archive.search(request).cursor)
        func code(_ change: (inout SearchRequest) -> Void) -> ArchiveError.Code? {
            var request = plain
            request.cursor = cursor
            change(&request)
            do {
                _ = try archive.search(request)
                return nil
            } catch { return (error as? ArchiveError)?.code }
        }
        #expect(code { $0.k = 20 } == nil && code { $0.includesReports = true } == nil)
        #expect(code { $0.parts = [.init(.vector(randomVector(4)))] } == .badRequest)
        #expect(code { $0.parts[0].weight = 2 } == .badRequest)
        #expect(code { $0.target = .image } == .badRequest)
        #expect(code { $0.group = "patient" } == .badRequest)
        #expect(code { $0.minScore = 0.1 } == .badRequest)
        #expect(code { $0.filter = Filter([.init(key: "view", values: [.equal("PA")])]) } == .badRequest)
        for text in ["end", "", "0", String(cursor.dropLast()), cursor + "0", cursor.uppercased(), "é" + cursor] {
            #expect(code { $0.cursor = text } == (text == cursor ? nil : .badRequest), "\(text)")
        }
        var broken = try SearchCursor(cursor)
        (broken.offset, broken.window) = (0, 1 << 30)
        #expect(code { $0.cursor = broken.text } == .badRequest)
        (broken.offset, broken.window) = (1_000, 1_000)
        #expect(code { $0.cursor = broken.text } == .badRequest)
    }
}

@Suite struct SearchPlanTests {
    @Test("The plan says what the filter left, what the legs brought and where the time went")
    func plans() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<300)
        var request = SearchRequest(.text("effusion left"))
        request.filter = try Filter(parsing: "view=PA site!=A")
        request.mmr = 0.5
        let (response, plan) = try archive.explain(request)
        #expect(try response.hits.map(\.id) == archive.search(request).hits.map(\.id))
        #expect(plan.mode == .hybrid && plan.k == 10 && plan.pool == 100 && plan.ef == response.ef && !plan.isExact)
        #expect(try plan.caseCount == 300 && plan.matchingCount == archive.count(request.filter))
        #expect(plan.conditions.map(\.key) == ["view", "site"] && plan.conditions.map(\.isNegated) == [false, true])
        #expect(plan.conditions.map(\.matching) == [150, 240])
        #expect(Set(plan.legs.map(\.name)) == ["vector", "words"])
        #expect(plan.legs.allSatisfy { $0.candidates > 0 && $0.rounds == 1 })
        #expect(plan.legs.first { $0.name == "vector" }?.visited == response.visited)
        let names = plan.stages.map(\.name)
        #expect(names == ["question", "filter", "words", "vectors", "hits", "diversity"])
        #expect(plan.stages.reduce(0) { $0 + $1.microseconds } <= response.microseconds + plan.stages.count)

        request = SearchRequest(.id("case-3"))
        request.isExact = true
        // The nearest cases are not of as many patients.
        (request.group, request.k) = ("patient", 75)
        let (_, other) = try archive.explain(request)
        #expect(other.mode == .vector && other.isExact && other.conditions.isEmpty && other.matchingCount == 300)
        #expect(other.legs.map(\.name) == ["vector"] && (other.legs.first?.rounds ?? 0) > 1)
    }
}
