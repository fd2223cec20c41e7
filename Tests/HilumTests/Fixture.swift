import Foundation
import HilumCore
import HilumMCR
import HilumPhantom
import Synchronization
import Testing

/// Removed when the run ends; the function given to atexit may not capture anything.
private let worldFolder = Mutex("")

/// A small world that several tests share: a folder of phantoms and a tiny untrained model, made once a run.
///
/// The model is untrained on purpose: what these tests hold does not depend on how good its vectors are, and a tiny one
/// encodes a case in a millisecond.
final class World: Sendable {
    static let caseCount = 48
    static let imageSide = 64

    let folder: String
    let phantoms: String
    let model: String

    private static let made = Result { try World() }

    /// The world of this run.
    static func shared() throws -> World { try made.get() }

    private init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/hilum-world-\(getpid())"
        phantoms = folder + "/phantoms"
        model = folder + "/model"
        try? FileManager.default.removeItem(atPath: folder)
        try FileIO.makeFolder(folder)
        let drawn = try Program.run(
            [
                "phantom", phantoms, "--count", "\(Self.caseCount)", "--side", "\(Self.imageSide)", "--seed", "11",
                "--quiet",
            ])
        guard drawn.status == 0 else { throw Failure(what: "phantoms could not be drawn: \(drawn.errors)") }
        let reports = (0..<Self.caseCount).map { PhantomGenerator(seed: 11, site: .a, side: 64).makeCase($0).report }
        let vocabulary = try VocabularyBuilder.build(texts: reports, terms: [], size: 600)
        try MCRModel(untrained: .micro, vocabulary: vocabulary, seed: 5).save(to: model)
        let path = folder
        worldFolder.withLock { $0 = path }
        atexit { worldFolder.withLock { if !$0.isEmpty { try? FileManager.default.removeItem(atPath: $0) } } }
    }

    /// Another model of the same shape.
    static func otherModel(in scratch: Scratch) throws -> String {
        let path = scratch.path("other-model")
        let reports = (0..<caseCount).map { PhantomGenerator(seed: 11, site: .a, side: 64).makeCase($0).report }
        let vocabulary = try VocabularyBuilder.build(texts: reports, terms: [], size: 600)
        try MCRModel(untrained: .micro, vocabulary: vocabulary, seed: 6).save(to: path)
        return path
    }

    struct Failure: Error { let what: String }

    /// A new archive in `scratch` with the tiny model.
    func archive(in scratch: Scratch, indexed: Bool = false) throws -> String {
        let path = scratch.path("archive")
        let made = try Program.run(["init", path, "--model", model])
        try #require(made.status == 0, "init: \(made.errors)")
        if indexed {
            let result = try Program.run(["index", path, phantoms, "--quiet"])
            try #require(result.status == 0, "index: \(result.errors)")
        }
        return path
    }
}
