import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// What one question may cost, and that it ends when its time is over.
@Suite struct SelectionBoundsTests {
    /// Many cases whose reports are alike, and a few others.
    private func makeArchive(_ scratch: Scratch, alike: Int, others: Int) throws -> Archive {
        let archive = try scratch.makeArchive()
        let inputs = (0..<(alike + others)).map { index in
            CaseInput(
                id: "case-\(index)",
                report: index < alike
                    ? "clear lungs normal heart no effusion stable line tube number \(index)"
                    : makeReport(10 * index + 1),
                fields: CaseFields(patient: "p\(index / 3)", site: index < alike ? "A" : "B"))
        }
        try archive.put(inputs)
        return archive
    }

    private var question: SearchRequest {
        SearchRequest(.text("clear lungs normal heart no effusion stable line tube"))
    }

    @Test("Where thousands of cases look alike, dedup gives up after as many as one question may cost, and says so")
    func dedupIsBounded() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch, alike: 6_000, others: 200)
        for mode in [SearchMode.vector, .hybrid, .words] {
            var request = question
            (request.mode, request.dedup) = (mode, 0.3)
            let response = try archive.search(request)
            #expect(!response.hits.isEmpty && response.hits.count < 10, "\(mode)")
            #expect(response.isShortOfWork != response.isShortOfSelection, "\(mode)")
            // Both legs bring candidates.
            #expect(response.droppedCount <= (mode == .hybrid ? 8_192 : 4_096), "\(mode)")
            if mode == .vector { #expect(response.isShortOfWork) }
        }
        // As many as there are is another matter.
        var request = question
        (request.mode, request.dedup, request.filter) = (.vector, 0.3, try Filter(parsing: "site=B"))
        #expect(try !archive.search(request).isShortOfWork)
    }

    @Test("One hit a group costs as many rounds as groups, however large they are")
    func groupsAreBounded() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch, alike: 6_000, others: 200)
        var request = question
        (request.mode, request.group) = (.vector, "site")
        let response = try archive.search(request)
        #expect(response.hits.map { $0.record.fields.site } == ["A", "B"])
        #expect(response.isShortOfSelection && !response.isShortOfWork)
        #expect(response.hits.map { $0.group?.others } == [5_999, 199])
        // Not the whole archive was looked at for them.
        #expect(response.visited < 2_000, "\(response.visited)")
    }

    @Test("A search whose time is over ends within its loops, whatever it does", arguments: SearchMode.allCases)
    func deadlines(_ mode: SearchMode) throws {
        let scratch = try Scratch()
        let archive = try makeArchive(scratch, alike: 2_500, others: 100)
        let changes: [(String, (inout SearchRequest) -> Void)] = [
            ("plain", { _ in }), ("exact", { $0.isExact = true }), ("group", { $0.group = "patient" }),
            ("dedup", { $0.dedup = 0.3 }), ("mmr", { $0.mmr = 0.5 }), ("pages", { $0.cursor = SearchCursor.start }),
            ("wide", { $0.k = 1_000 }), ("score", { $0.minScore = 0.1 }),
        ]
        for (name, change) in changes {
            var request = question
            request.mode = mode
            change(&request)
            request.deadline = monotonicSeconds() + 60
            #expect(try !archive.search(request).hits.isEmpty, "\(name)")
            request.deadline = monotonicSeconds()
            // The list of a page is kept; another question has to be searched.
            if request.cursor != nil { request.parts = SearchRequest(.text("spine device")).parts }
            let error = #expect(throws: ArchiveError.self, "\(name)") { try archive.search(request) }
            #expect(error?.code == .deadline, "\(name)")
        }
        let error = #expect(throws: ArchiveError.self) {
            try archive.matching(Filter(parsing: "id=case-1..case-9"), until: monotonicSeconds())
        }
        #expect(error?.code == .deadline)
    }

    @Test("Pages cut from a kept list are those of a list searched anew")
    func keptPages() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<600)
        for (mode, group, dedup) in [
            (SearchMode.vector, nil, nil), (.hybrid, nil, nil), (.vector, "patient", nil), (.hybrid, nil, 0.8),
        ]
            as [(SearchMode, String?, Float?)]
        {
            func pages(isKept: Bool) throws -> [[String]] {
                var request = SearchRequest(.text("effusion left base"))
                (request.mode, request.group, request.dedup) = (mode, group, dedup)
                (request.k, request.cursor) = (40, SearchCursor.start)
                var pages: [[String]] = []
                while request.cursor != SearchCursor.end, pages.count < 30 {
                    if !isKept { archive.pages.forget() }
                    let response = try archive.search(request)
                    #expect(response.hits.map(\.rank) == (0..<response.hits.count).map { 40 * pages.count + $0 + 1 })
                    pages.append(response.hits.map(\.id))
                    request.cursor = response.cursor
                }
                return pages
            }
            let kept = try pages(isKept: true)
            #expect(kept == (try pages(isKept: false)) && kept.count > 2)
            #expect(Set(kept.flatMap(\.self)).count == kept.reduce(0) { $0 + $1.count })
        }
        #expect(archive.pages.byteCount > 0)
    }

    @Test("So many lists of pages are kept, the last ones")
    func pageMemoryIsBounded() {
        let memory = PageMemory()
        func cursor(_ number: Int, contents: UInt64 = 1) -> SearchCursor {
            SearchCursor(question: UInt64(number), contents: contents, commit: 1, generation: 1, window: 1000)
        }
        var found = Found(
            response: SearchResponse(
                hits: [], generation: 1, ef: 1, visited: 0, microseconds: 0, isExact: false, isShortOfFilter: false))
        found.picks = (0..<UInt32(1_000)).map { Pick(number: $0) }
        for number in 0..<100 { memory.keep(found, cursor(number)) }
        #expect(memory.found(cursor(99)) != nil && memory.found(cursor(0)) == nil)
        #expect(memory.byteCount <= 160 * 40_000)
        memory.keep(found, cursor(0, contents: 2))
        #expect(memory.found(cursor(99)) == nil && memory.found(cursor(0, contents: 2)) != nil)
    }

    @Test("A search under a filter finds what an exact one finds, whatever share of the cases matches")
    func recallUnderFilters() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        let inputs = (0..<4_000).map { index in
            CaseInput(
                id: "case-\(index)", report: makeReport(index), fields: CaseFields(metadata: ["n": "\(index % 100)"]))
        }
        try archive.put(inputs)
        try archive.writeCheckpoint()
        for filter in ["n=0..89", "n=0..49", "n=0..32", "n=0..9", "n=0..2", "n=0"] {
            var (found, wanted) = (0, 0)
            for seed in 0..<60 {
                var generator = SeededGenerator(seed: 23, keys: UInt64(seed))
                var request = SearchRequest(.vector((0..<32).map { _ in Float(generator.normal()) }))
                request.filter = try Filter(parsing: filter)
                let hits = try archive.search(request).hits
                request.isExact = true
                let exact = try archive.search(request).hits
                let worst = exact.last?.score ?? 1
                wanted += exact.count
                found += hits.count { $0.score >= worst - 1e-6 }
            }
            #expect(Double(found) >= 0.95 * Double(wanted), "\(filter): \(found) of \(wanted)")
        }
    }
}
