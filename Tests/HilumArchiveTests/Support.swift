import Foundation
import HilumCore
import HilumImaging
import HilumEmbedding
import Synchronization
import Testing

@testable import HilumArchive

/// An encoder without a network: words and thumbnails, projected at random, always the same way.
final class FakeEmbedder: Embedder {
    let modelID: String
    let dimension: Int
    let imageCount = AtomicCounter()
    let reportCount = AtomicCounter()
    let imageSide: Int?
    let imagesPerPass: Int
    private let delay: Double
    private let knowsAllWords: Bool
    /// Sees each pass, and may refuse it.
    private let onImages: @Sendable ([GrayImage]) throws -> Void

    init(
        _ name: String = "fake", dimension: Int = 32, delay: Double = 0, imageSide: Int? = nil, imagesPerPass: Int = 1,
        knowsAllWords: Bool = true, onImages: @escaping @Sendable ([GrayImage]) throws -> Void = { _ in }
    ) {
        self.imageSide = imageSide
        self.imagesPerPass = imagesPerPass
        self.onImages = onImages
        modelID = SHA256.hex(Array(name.utf8))
        self.dimension = dimension
        self.delay = delay
        self.knowsAllWords = knowsAllWords
    }

    func knowsWords(of report: String) -> Bool { knowsAllWords }

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        try onImages(images)
        imageCount.increment(by: images.count)
        if delay > 0 { usleep(UInt32(delay * 1e6 * Double(images.count))) }
        return images.flatMap { image in
            let small = image.resizedToFit(side: 8)
            return project(small.samples.enumerated().map { (UInt64($0.offset), Double($0.element) / 65535 - 0.3) })
        }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        reportCount.increment(by: reports.count)
        return reports.flatMap { report in
            let words = report.lowercased().split { !$0.isLetter && !$0.isNumber }
            return project(
                words.map { word in
                    (
                        word.utf8.reduce(14_695_981_039_346_656_037 as UInt64) {
                            ($0 ^ UInt64($1)) &* 1_099_511_628_211
                        }, 1.0
                    )
                })
        }
    }

    private func project(_ parts: [(key: UInt64, weight: Double)]) -> [Float] {
        var sums = [Double](repeating: 0, count: dimension)
        for part in parts {
            var generator = SeededGenerator(seed: 7, keys: part.key)
            for index in sums.indices { sums[index] += part.weight * generator.normal() }
        }
        if sums.allSatisfy({ $0 == 0 }) { sums[0] = 1 }
        let length = sums.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return sums.map { Float($0 / length) }
    }
}

/// A folder for one test, removed with it.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "hilum-archive-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var archive: String { path + "/archive" }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    /// An archive made here and opened for writing.
    func makeArchive(
        _ embedder: FakeEmbedder = FakeEmbedder(), options: Archive.Options = Archive.Options()
    ) throws -> Archive {
        try Archive.create(at: archive)
        return try Archive(path: archive, mode: .readWrite, embedder: embedder, options: options)
    }
}

/// A PNG of `side` x `side` noise that depends on `seed` alone.
func makePNG(_ seed: Int, side: Int = 16) throws -> [UInt8] {
    var generator = SeededGenerator(seed: 11, keys: UInt64(seed))
    let samples = (0..<(side * side)).map { _ in UInt16(generator.integer(below: 256)) * 257 }
    return try PNGEncoder.encode(GrayImage(width: side, height: side, samples: samples), bitDepth: 8)
}

private let words = [
    "effusion", "left", "right", "clear", "lungs", "heart", "normal", "nodule", "apex", "base", "edema", "rib", "line",
    "tube",
    "opacity", "upper", "lower", "zone", "mild", "severe", "chronic", "acute", "stable", "device", "spine",
]

/// Report number `index` of a fixed corpus; every tenth is one template.
func makeReport(_ index: Int) -> String {
    if index % 10 == 0 { return "Normal chest. Clear lungs." }
    var generator = SeededGenerator(seed: 3, keys: UInt64(index))
    return (0..<12).map { _ in generator.pick(words) }.joined(separator: " ") + " \(index)"
}

/// Case number `index` of a fixed set: two of three have an image, two of three a report.
func makeInput(_ index: Int) throws -> CaseInput {
    CaseInput(
        id: "case-\(index)", image: index % 3 == 2 ? nil : .bytes(try makePNG(index)),
        report: index % 3 == 1 ? nil : makeReport(index),
        fields: CaseFields(
            patient: "p\(index / 4)", view: index % 2 == 0 ? "PA" : "AP",
            date: String(format: "2020-%02d-%02d", index % 12 + 1, index % 28 + 1),
            site: index % 5 == 0 ? "A" : "B",
            findings: index % 4 == 0 ? ["effusion", "edema"] : index % 4 == 1 ? ["nodule"] : [],
            metadata: ["age": "\(20 + index % 70)"]))
}

func makeInputs(_ range: Range<Int>) throws -> [CaseInput] { try range.map(makeInput) }

/// Whether `finding=` finds a case: it was given the finding, or was given none and its report affirms it.
func has(_ input: CaseInput, _ finding: String) throws -> Bool {
    guard input.fields.findings.isEmpty else { return input.fields.findings.contains(finding) }
    let reader = try ReportWords.sharedReader()
    return reader.read(input.report ?? "").findings.contains {
        $0.assertion == .present && reader.lexicon.lineage(of: $0.name).contains(finding)
    }
}

/// Puts and expects that all were stored.
func store(_ archive: Archive, _ range: Range<Int>) throws {
    let outcomes = try archive.put(makeInputs(range))
    #expect(outcomes.allSatisfy { if case .stored = $0 { true } else { false } })
}

/// The share of the exact ten nearest that the graph finds, over `count` queries of both kinds.
func recall(_ archive: Archive, queries count: Int = 100) throws -> Double {
    var found = 0
    var wanted = 0
    for seed in 0..<count {
        var generator = SeededGenerator(seed: 99, keys: UInt64(seed))
        let vector = (0..<(archive.dimension ?? 0)).map { _ in Float(generator.normal()) }
        for kind in VectorKind.allCases {
            var request = SearchRequest(.vector(vector))
            request.target = kind == .image ? .image : .report
            let approximate = try archive.search(request).hits
            request.isExact = true
            let exact = try archive.search(request).hits
            let worst = exact.last?.score ?? 1
            wanted += exact.count
            // Ties at the end are in no order.
            found += approximate.count { $0.score >= worst - 1e-6 }
        }
    }
    return wanted == 0 ? 0 : Double(found) / Double(wanted)
}

/// The shared real data, where this checkout has it.
enum SharedData {
    static let path: String? = {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
        let candidates =
            [ProcessInfo.processInfo.environment["HILUM_SHARED"].map { $0 + "/data" }, package + "/../shared/data"]
        return candidates.compactMap(\.self).first {
            FileManager.default.fileExists(atPath: $0 + "/cxr-real/cases.jsonl")
        }
    }()
}
