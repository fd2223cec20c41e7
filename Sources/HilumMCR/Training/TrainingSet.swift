import Foundation
import HilumCore
import HilumImaging
import HilumNN
import Synchronization

/// Image–report pairs in memory, ready for training: images at the model's input size, reports as tokens.
///
/// Thread rule: immutable after loading; any number of threads.
public final class TrainingSet: Sendable {
    /// Where a pair comes from.
    public struct Source: Sendable {
        /// The file of the image.
        public let imagePath: String
        /// The text of the report.
        public let report: String
        /// Pairs of one patient never stand on both sides of the validation split.
        public let patient: String
        /// Findings, a side being part of the name; empty where none are known.
        public let labels: [String]

        /// A pair of an image file and a report.
        public init(imagePath: String, report: String, patient: String, labels: [String] = []) {
            self.imagePath = imagePath
            self.report = report
            self.patient = patient
            self.labels = labels
        }
    }

    /// Pairs.
    public let count: Int
    /// 16-bit pixels in patch order, `[count, N, patchPixels]`.
    let pixels: [UInt16]
    let reports: [TokenizedReport]
    let hashes: [UInt64]
    /// For each pair its labels as numbers; empty where none are known.
    let labels: [[Int32]]
    /// For each pair the number of its patient, from 0.
    let patients: [Int]
    let pixelsPerImage: Int
    let configuration: MCRConfiguration

    init(
        pixels: [UInt16], reports: [TokenizedReport], hashes: [UInt64], labels: [[String]], patients: [String]? = nil,
        configuration: MCRConfiguration
    ) {
        let pixelsPerImage = configuration.patchCount * configuration.patchPixels
        precondition(
            pixels.count == reports.count * pixelsPerImage && hashes.count == reports.count, "shapes must agree")
        count = reports.count
        self.pixels = pixels
        self.reports = reports
        self.hashes = hashes
        self.labels = Self.numbered(labels)
        var numbers: [String: Int] = [:]
        self.patients =
            patients.map { names in
                names.map { name in
                    let number = numbers[name] ?? numbers.count
                    numbers[name] = number
                    return number
                }
            } ?? Array(reports.indices)
        self.pixelsPerImage = pixelsPerImage
        self.configuration = configuration
    }

    /// Writes the pixels of a pair, `[N, patchPixels]` in 0…1.
    func copyPixels(of sample: Int, to target: FloatPointer) {
        pixels.withUnsafeBufferPointer { pixels in
            guard let base = pixels.baseAddress else { return }
            NetworkKernels.floats(target, base + sample * pixelsPerImage, scale: 1 / 65_535, pixelsPerImage)
        }
    }

    /// SHA-256 over reports and pixels: a training run is resumed only on the set it began with.
    var fingerprint: String {
        var hash = SHA256()
        for report in reports { report.ids.withUnsafeBytes { hash.update($0) } }
        pixels.withUnsafeBytes { hash.update($0) }
        for pair in labels { pair.withUnsafeBytes { hash.update($0) } }
        return hexadecimal(hash.finish())
    }

    /// From images that are in memory already.
    ///
    /// - Parameter patients: whose each pair is; nil: each is another's.
    public convenience init(
        images: [GrayImage], reports: [String], labels: [[String]]? = nil, patients: [String]? = nil,
        configuration: MCRConfiguration, tokenizer: Tokenizer
    ) {
        precondition(images.count == reports.count, "one report for each image")
        let perImage = configuration.patchCount * configuration.patchPixels
        var pixels = [UInt16](repeating: 0, count: images.count * perImage)
        pixels.withUnsafeMutableBufferPointer { buffer in
            for (index, image) in images.enumerated() {
                let patches = Preprocessing.patches(of: image, configuration)
                for i in 0..<perImage { buffer[index * perImage + i] = patches[i] }
            }
        }
        self.init(
            pixels: pixels, reports: reports.map { tokenizer.encode($0, maxLength: configuration.maxTokens) },
            hashes: reports.map { normalisedReportHash($0) }, labels: labels ?? reports.map { _ in [] },
            patients: patients, configuration: configuration)
    }

    /// Reads, resizes and tokenises the pairs on all cores; a pair that cannot be read is left out and named in `refused`.
    public static func load(
        _ sources: [Source], configuration: MCRConfiguration, tokenizer: Tokenizer, threads: Int,
        progress: HilumCore.Progress? = nil
    ) -> (set: TrainingSet, refused: [(path: String, reason: String)]) {
        let perImage = configuration.patchCount * configuration.patchPixels
        var pixels = [UInt16](repeating: 0, count: sources.count * perImage)
        let failures = Mutex<[Int: String]>([:])
        pixels.withUnsafeMutableBufferPointer { buffer in
            // Safety: each index writes its own slice of the buffer, which outlives the loop.
            nonisolated(unsafe) let base = buffer
            parallelFor(sources.count, threads: threads) { index in
                do {
                    let image = try ImageDecoder.decode(path: sources[index].imagePath)
                    let patches = Preprocessing.patches(of: image, configuration)
                    for i in 0..<perImage { base[index * perImage + i] = patches[i] }
                } catch {
                    failures.withLock { $0[index] = "\(error)" }
                }
                progress?.advance()
            }
        }
        let bad = failures.withLock { $0 }
        let good = sources.indices.filter { bad[$0] == nil }
        if !bad.isEmpty {
            for (place, index) in good.enumerated() where place != index {
                pixels.withUnsafeMutableBufferPointer { buffer in
                    for i in 0..<perImage { buffer[place * perImage + i] = buffer[index * perImage + i] }
                }
            }
            pixels.removeLast((sources.count - good.count) * perImage)
        }
        let set = TrainingSet(
            pixels: pixels,
            reports: good.map { tokenizer.encode(sources[$0].report, maxLength: configuration.maxTokens) },
            hashes: good.map { normalisedReportHash(sources[$0].report) }, labels: good.map { sources[$0].labels },
            patients: good.map { sources[$0].patient }, configuration: configuration)
        return (set, bad.keys.sorted().map { (sources[$0].imagePath, bad[$0] ?? "") })
    }

    private static func numbered(_ labels: [[String]]) -> [[Int32]] {
        let names = Array(Set(labels.joined())).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
        return labels.map { pair in Array(Set(pair.compactMap { numbers[$0] })).sorted() }
    }

    /// Splits sources by patient into training and validation; about `validationCount` pairs are held out.
    public static func split(
        _ sources: [Source], validationCount: Int, seed: UInt64
    ) -> (training: [Source], validation: [Source]) {
        var patients = Array(Set(sources.map(\.patient))).sorted()
        var generator = SeededGenerator(seed: seed, keys: 0x5B_117)
        generator.shuffle(&patients)
        var sizes: [String: Int] = [:]
        for source in sources { sizes[source.patient, default: 0] += 1 }
        var held: Set<String> = []
        var heldCount = 0
        for patient in patients where heldCount < validationCount {
            held.insert(patient)
            heldCount += sizes[patient] ?? 0
        }
        return (sources.filter { !held.contains($0.patient) }, sources.filter { held.contains($0.patient) })
    }
}
