import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import Testing

@testable import HilumArchive

/// Vectors of four common floats, two of pictures and two of reports. A report names its common part and its own, and a picture has the grey
/// that names its common part.
private struct PartedEmbedder: Embedder {
    static let parts = VectorParts(
        common: 4, ownOfImages: 2, ownOfReports: 2, commonLengthOfImages: 0.6, commonLengthOfReports: 0.8)
    let modelID: String
    let dimension = 8
    let saysParts: Bool

    init(_ name: String = "parted", saysParts: Bool = true) {
        modelID = SHA256.hex(Array(name.utf8))
        self.saysParts = saysParts
    }

    var vectorParts: VectorParts? { saysParts ? Self.parts : nil }

    /// Directions `place / 8` of a half circle: neighbours have a cosine of 0.92.
    private static func common(_ place: Int) -> [Float] {
        let angle = Double(place) * .pi / 8
        return [Float(cos(angle)), Float(sin(angle)), 0, 0]
    }

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        images.flatMap { image in
            let place = Int((Double(image.samples[0]) / 65535 * 7).rounded())
            return Self.common(place).map { 0.6 * $0 } + [0.8, 0, 0, 0]
        }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        reports.flatMap { report in
            let digits = report.compactMap(\.wholeNumberValue)
            return Self.common(digits.first ?? 0).map { 0.8 * $0 } + [0, 0, 0.6, 0]
        }
    }
}

/// Archives in which some cases have a picture alone and others a report alone.
@Suite struct MixedKindTests {
    private static func fill(_ archive: Archive) throws {
        var cases: [CaseInput] = []
        for place in 0..<8 {
            let grey = UInt16(Double(place) / 7 * 65535)
            let picture = GrayImage(width: 8, height: 8, samples: [UInt16](repeating: grey, count: 64))
            cases.append(
                CaseInput(id: "film-\(place)", image: .bytes(try PNGEncoder.encode(picture, bitDepth: 16))))
            cases.append(CaseInput(id: "report-\(place)", report: "finding \(place)"))
        }
        for outcome in try archive.put(cases) {
            guard case .stored(vectors: 1, _) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
        }
    }

    private static func request(_ query: Query, k: Int = 4) -> SearchRequest {
        var request = SearchRequest(query)
        request.k = k
        request.mode = .vector
        return request
    }

    /// All cases in the order of their scores: the cosine within a kind, 0.48 of the shared part's between kinds and stretched by its root.
    private static func checkOrder(_ archive: Archive, _ query: Query, at place: Int, _ note: Comment) throws {
        let hits = try archive.search(request(query, k: 16)).hits
        let isPicture = if case .id(let id) = query { id.hasPrefix("film") } else { false }
        func score(_ id: String) -> Float {
            let shared = cos(Float(abs((id.last?.wholeNumberValue ?? 0) - place)) * .pi / 8)
            guard id.hasPrefix("film") == isPicture else { return (0.48 as Float).squareRoot() * shared }
            return isPicture ? 0.36 * shared + 0.64 : 0.64 * shared + 0.36
        }
        #expect(hits.count == 16, note)
        for hit in hits { #expect(abs(hit.score - score(hit.id)) < 2e-3, note) }
        for (hit, next) in zip(hits, hits.dropFirst()) { #expect(hit.score >= next.score, note) }
        // Pictures stand among reports, and not behind all of them.
        let kinds = hits.map(\.via)
        #expect(kinds.firstIndex(of: .image) ?? 99 < kinds.lastIndex(of: .report) ?? -1, note)
        #expect(kinds.firstIndex(of: .report) ?? 99 < kinds.lastIndex(of: .image) ?? -1, note)
        var least = request(query, k: 16)
        least.minScore = 0.69
        #expect(try archive.search(least).hits.count == hits.count { $0.score >= 0.69 }, note)
    }

    @Test(
        "A text finds pictures without a report beside reports, with graphs, without them and without a model",
        arguments: [false, true])
    func textFindsPictures(hasCodes: Bool) throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive)
        let embedder = PartedEmbedder()
        var vector: [Float] = []
        var options = Archive.Options()
        if hasCodes { (options.vectorsForCodes, options.vectorsForScan) = (4, 2) }
        do {
            let archive = try Archive(
                path: scratch.archive, mode: .readWrite, embedder: embedder, options: options)
            defer { archive.close() }
            try Self.fill(archive)
            try Self.checkOrder(archive, .text("finding 3"), at: 3, "daemon")
            var exact = Self.request(.text("finding 3"), k: 7)
            exact.isExact = true
            #expect(try archive.search(exact).hits.contains { $0.id == "film-3" })
            vector = try archive.vector(of: .text("finding 5"))
        }
        for keepsGraphs in [true, false] {
            options.keepsGraphs = keepsGraphs
            // By a stored case and by a vector nothing has to be encoded.
            let archive = try Archive(path: scratch.archive, mode: .readOnly, options: options)
            defer { archive.close() }
            #expect(archive.graphs?.image.index.precision == (hasCodes ? .i8 : .f32) || !keepsGraphs)
            try Self.checkOrder(archive, .vector(vector), at: 5, "a vector, graphs \(keepsGraphs)")
            try Self.checkOrder(archive, .id("film-4"), at: 4, "a picture, graphs \(keepsGraphs)")
            try Self.checkOrder(archive, .id("report-2"), at: 2, "a report, graphs \(keepsGraphs)")
        }
    }

    @Test("An archive that does not know the parts learns them when it is opened for writing")
    func learns() throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive)
        do {
            let archive = try Archive(
                path: scratch.archive, mode: .readWrite, embedder: PartedEmbedder(saysParts: false))
            defer { archive.close() }
            try Self.fill(archive)
            try Self.checkBuried(archive)
        }
        try Archive(path: scratch.archive, mode: .readWrite, embedder: PartedEmbedder()).close()
        let archive = try Archive(path: scratch.archive, mode: .readOnly)
        defer { archive.close() }
        try Self.checkOrder(archive, .id("report-3"), at: 3, "after it")
    }

    @Test("A second generation brings the parts of its own model, and going back brings none")
    func generations() throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive)
        let archive = try Archive(
            path: scratch.archive, mode: .readWrite, embedder: PartedEmbedder("whole", saysParts: false))
        defer { archive.close() }
        try Self.fill(archive)
        let folder = scratch.path + "/model"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try archive.startReembedding(modelDirectory: folder, embedder: PartedEmbedder())
        while case .encoded = try archive.encodeNextBatch() {}
        try archive.switchGeneration()
        try Self.checkOrder(archive, .text("finding 3"), at: 3, "after the switch")
        try archive.rollBackGeneration()
        try Self.checkBuried(archive)
    }

    /// Without the parts the best picture has its cosine, 0.48.
    private static func checkBuried(_ archive: Archive) throws {
        let hits = try archive.search(request(.text("finding 3"), k: 16)).hits
        #expect(hits.first { $0.via == .image }.map { abs($0.score - 0.48) < 2e-3 } == true)
    }

    @Test("The largest cosine follows from the lengths of the parts; impossible parts are refused")
    func parts() throws {
        let parts = try #require(PartedEmbedder.parts)
        let embedder = PartedEmbedder()
        let report = try embedder.embed(reports: ["finding 3"], threads: 1)
        let picture = try embedder.embed(
            images: [GrayImage(width: 1, height: 1, samples: [9_362])], threads: 1)
        #expect(parts.largestCosine(report, ofImages: false) == 1)
        #expect(parts.largestCosine(picture, ofImages: true) == 1)
        #expect(abs(parts.largestCosine(report, ofImages: true) - 0.48) < 1e-6)
        #expect(abs(parts.largestCosine(picture, ofImages: false) - 0.48) < 1e-6)
        // Half a text, half a picture, as a question of several parts.
        let mixed = try #require(unitVector(zip(report, picture).map { $0 + $1 }))
        let (images, reports) = (
            parts.largestCosine(mixed, ofImages: true), parts.largestCosine(mixed, ofImages: false)
        )
        #expect(images > 0.48 && images < 1 && reports > 0.48 && reports < 1)
        #expect(parts.largestCosine([1, 0], ofImages: true) == 1)
        #expect(try VectorParts(parsing: parts.json.text.utf8) == parts)
        for (count, length) in [(-1, 0.5), (4, 0), (4, 1.5), (4, .nan)] as [(Int, Float)] {
            #expect(
                VectorParts(
                    common: count, ownOfImages: 2, ownOfReports: 2, commonLengthOfImages: length,
                    commonLengthOfReports: 0.5) == nil)
        }
    }
}
