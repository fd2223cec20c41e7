import Foundation
import HilumCore
import HilumEmbedding
import Testing

@testable import HilumArchive

/// Model folders whose one file says which `FakeEmbedder` they are.
enum FakeModel {
    /// Writes a folder for the embedder of `name`.
    static func write(_ scratch: Scratch, _ name: String, dimension: Int = 48) throws -> String {
        try scratch.write("models/\(name)/fake.txt", "\(name) \(dimension)")
        return scratch.path + "/models/\(name)"
    }

    /// What `Archive.Options.loadModel` is in these tests; the precision becomes a part of the name, as of a real model's id.
    @Sendable static func load(_ folder: String, _ precision: String?) throws -> LoadedModel {
        let text = String(decoding: try FileIO.read(folder + "/fake.txt"), as: UTF8.self)
        let parts = text.split(separator: " ")
        let name = (precision.map { $0 + "-" } ?? "") + String(parts.first ?? "")
        let embedder = FakeEmbedder(name, dimension: parts.last.flatMap { Int($0) } ?? 0, knowsAllWords: name != "deaf")
        return LoadedModel(embedder, folder: folder, files: ["fake.txt": Array("\(name) \(embedder.dimension)".utf8)])
    }

    static var options: Archive.Options {
        var options = Archive.Options()
        options.loadModel = load
        options.vectorsForCodes = 100
        return options
    }

    /// An archive with the model `old`, opened for writing.
    static func makeArchive(_ scratch: Scratch, options: Archive.Options = options) throws -> Archive {
        try Archive.create(at: scratch.archive, modelDirectory: try write(scratch, "old", dimension: 32))
        return try open(scratch.archive, options: options)
    }

    /// Opens an archive with its own model.
    static func open(_ path: String, options: Archive.Options = options) throws -> Archive {
        let folder = try #require(Archive.modelDirectory(of: path))
        return try Archive(path: path, mode: .readWrite, embedder: try load(folder, nil).embedder, options: options)
    }
}

/// Encodes until the generation beside is complete.
func finishReembedding(_ archive: Archive, _ limit: Int = Archive.reembedBatchCount) throws {
    while case .encoded = try archive.encodeNextBatch(limit) {}
}

/// The id that a search for the text of a case finds first.
func first(_ archive: Archive, _ text: String) throws -> String? {
    var request = SearchRequest(.text(text))
    request.mode = .vector
    return try archive.search(request).hits.first?.id
}

/// The number of the newest commit, as the two meta pages of the store say.
func newestTransaction(of archive: String) throws -> UInt64 {
    let file = open(archive + "/data.mdb", O_RDONLY)
    guard file >= 0 else { throw ArchiveError(.io, "the store cannot be read") }
    defer { close(file) }
    var newest: UInt64 = 0
    for page in 0..<2 {
        var bytes = [UInt8](repeating: 0, count: 8)
        // 16 bytes of the page's head, then magic, version, address, size of the map, two tables of 48 bytes, the last page.
        guard pread(file, &bytes, 8, off_t(4096 * page + 16 + 24 + 96 + 8)) == 8 else { continue }
        newest = max(newest, bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    }
    return newest
}
