import HilumCore
import Testing

@testable import HilumArchive

/// Searches over several archives: statistics of words from outside, and candidates to be merged.
@Suite struct CorpusTests {
    private static let partCount = 3

    /// One archive of all cases, and the same cases in parts.
    private func make() throws -> (whole: Archive, parts: [Archive], keep: [Scratch]) {
        let inputs = try (0..<90).map(makeInput)
        var keep: [Scratch] = []
        func archive(_ inputs: [CaseInput]) throws -> Archive {
            let scratch = try Scratch()
            keep.append(scratch)
            let archive = try scratch.makeArchive()
            try archive.put(inputs)
            return archive
        }
        let whole = try archive(inputs)
        let parts = try (0..<Self.partCount).map { part in
            try archive(inputs.enumerated().filter { $0.offset % Self.partCount == part }.map(\.element))
        }
        return (whole, parts, keep)
    }

    private func corpus(_ text: String, _ parts: [Archive]) throws -> WordCorpus {
        var sum = WordCorpus(documents: 0, length: 0, matches: [])
        for part in parts {
            let counts = try part.wordCounts(of: text).corpus
            sum.documents += counts.documents
            sum.length += counts.length
            sum.matches =
                sum.matches.isEmpty ? counts.matches : zip(sum.matches, counts.matches).map { $0 + $1 }
        }
        return sum
    }

    @Test(
        "Sums over parts are those of one archive, and so is every score of a candidate",
        arguments: ["left effusion", "no nodule -tube", "clear* lungs \"heart normal\"", "severe edema xyzzy"])
    func sums(_ text: String) throws {
        let (whole, parts, keep) = try make()
        defer { for archive in parts + [whole] { archive.close() } }
        withExtendedLifetime(keep) {}
        let corpus = try corpus(text, parts)
        let all = try whole.wordCounts(of: text)
        #expect(all.corpus == corpus)
        #expect(all.unknown == (text.contains("xyzzy") ? ["xyzzy"] : []) && all.isKnown)
        var usual = SearchRequest(.text(text))
        usual.isExact = true
        usual.k = 90
        let wanted = try whole.search(usual).hits
        var found: [String: Hit] = [:]
        for part in parts {
            var request = SearchRequest([
                .init(.text(text)), .init(.vector(try part.vector(of: .text(text)))),
            ])
            request.corpus = corpus
            request.isExact = true
            request.k = 90
            for hit in try part.search(request).hits { found[hit.id] = hit }
        }
        #expect(Set(found.keys) == Set(wanted.map(\.id)))
        for hit in wanted {
            let other = try #require(found[hit.id])
            // Bit by bit: a merge orders by them.
            #expect(other.score == hit.score && other.legs?.wordScore == hit.legs?.wordScore, "\(hit.id)")
            #expect(other.legs?.degree == hit.legs?.degree)
        }
    }

    @Test(
        "A part brings as many candidates of each leg as it is asked for, and statistics of another question are refused"
    )
    func candidates() throws {
        let (whole, parts, keep) = try make()
        defer { for archive in parts + [whole] { archive.close() } }
        withExtendedLifetime(keep) {}
        let text = "left effusion"
        var request = SearchRequest([.init(.text(text)), .init(.vector(try whole.vector(of: .text(text))))])
        request.corpus = try corpus(text, parts)
        request.k = 7
        let hits = try parts[0].search(request).hits
        #expect(hits.count { $0.legs?.vectorRank != nil } == 7)
        #expect((1...7).contains(hits.count { $0.legs?.wordRank != nil }))
        #expect(hits.count > 7)
        request.corpus = WordCorpus(documents: 1, length: 1, matches: [1])
        do {
            _ = try parts[0].search(request)
            Issue.record("counts of another question")
        } catch let error as ArchiveError { #expect(error.code == .badRequest) }
        // Without words the candidates are those of vectors.
        request = SearchRequest([.init(.vector(try whole.vector(of: .text(text))))])
        request.corpus = WordCorpus(documents: 0, length: 0, matches: [])
        request.k = 5
        #expect(try parts[1].search(request).hits.count == 5)
    }

    @Test("An empty part counts nothing and knows nothing")
    func emptyPart() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        defer { archive.close() }
        let counts = try archive.wordCounts(of: "left effusion")
        #expect(counts.corpus.documents == 0 && counts.corpus.length == 0)
        #expect(counts.corpus.matches.allSatisfy { $0 == 0 } && counts.demandsFindings)
    }
}
