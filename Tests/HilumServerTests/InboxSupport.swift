import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import Testing

@testable import HilumArchive
@testable import HilumServer

/// Whether the program that decodes DICOM was built with GDCM.
let decodesDICOM: Bool = {
    let file = SyntheticDICOM(width: 8, height: 8, samples: [UInt16](repeating: 7, count: 64))
    do throws(ImagingError) { _ = try ImageDecoder.decode(file.bytes) } catch {
        if case .decoderMissing = error.code { return false }
    }
    return true
}()

/// Opens the archive of a folder, serves with an inbox while `body` runs, and closes.
func serveInbox(
    _ folder: TemporaryFolder, missing: MissingFileRule = .keep, embedder: any Embedder = PixelEmbedder(),
    configure: (inout ServerConfiguration) -> Void = { _ in }, _ body: (Archive, Client) throws -> Void
) throws {
    let path = folder.path + "/archive"
    if !FileManager.default.fileExists(atPath: path) { try Archive.create(at: path) }
    let archive = try Archive(path: path, mode: .readWrite, embedder: embedder)
    var configuration = ServerConfiguration()
    configuration.handlesSignals = false
    configuration.inbox.stillInSeconds = 0.05
    configuration.inbox.rescanInSeconds = 0.1
    configuration.inbox.retryInSeconds = 0.1
    configuration.inbox.missing = missing
    configuration.inbox.missingInSeconds = 0.2
    configure(&configuration)
    let server = Server(
        archive: archive, socketPath: folder.path + "/s", inbox: folder.path + "/inbox", configuration: configuration)
    let thread = WorkerThread("server under test") { try? server.run() }
    defer {
        server.stop()
        thread.join()
    }
    try #require(eventually { server.isServing })
    try body(archive, Client(socketPath: folder.path + "/s", timeoutInSeconds: 20))
}

func writeImage(_ folder: TemporaryFolder, _ name: String, _ shade: UInt16) throws {
    let image = GrayImage(width: 4, height: 4, samples: (0..<16).map { shade &+ $0 * 999 })
    try write(folder, name, PNGEncoder.encode(image, bitDepth: 16))
}

func write(_ folder: TemporaryFolder, _ name: String, _ bytes: [UInt8]) throws {
    try folder.write(name, "")
    try Data(bytes).write(to: URL(fileURLWithPath: folder.path + "/" + name))
}

/// A film of noise with the tags of a study; nil for none.
func film(_ seed: UInt16, study: String?, patient: String, date: String = "20200101") -> [UInt8] {
    var file = SyntheticDICOM(
        width: 8, height: 8, samples: (0..<64).map { UInt16(truncatingIfNeeded: 977 &* $0 &* Int(seed + 1)) & 4095 })
    file.text(0x0008_0018, "UI", "1.9.\(seed)")
    file.text(0x0008_0020, "DA", date)
    file.text(0x0010_0020, "LO", patient)
    if let study { file.text(0x0020_000D, "UI", study) } else { file.elements[0x0020_000D] = nil }
    return file.bytes
}

/// Unit vectors that depend on nothing but the words and the pixels.
struct PixelEmbedder: Embedder {
    let modelID = String(repeating: "b", count: 64)
    let dimension = 8
    /// Counts images.
    let imageCount = AtomicCounter()

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        imageCount.increment(by: images.count)
        return images.flatMap { image in unit(UInt64(image.samples.reduce(0) { $0 &+ Int($1) })) }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        reports.flatMap { text in unit(UInt64(text.utf8.reduce(7) { $0 &* 31 &+ Int($1) } & 0xFFFF)) }
    }

    private func unit(_ seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed)
        let vector = (0..<dimension).map { _ in Float(generator.normal()) }
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return vector.map { $0 / length }
    }
}

func isThere(_ archive: Archive, _ id: String) -> Bool { (try? archive.get(id: id)) != nil }
