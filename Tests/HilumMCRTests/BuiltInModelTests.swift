import Foundation
import HilumCore
import HilumPhantom
import Testing

@testable import HilumMCR

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
private let folder = root.appendingPathComponent("Sources/HilumMCR/Resources/mcr-default").path
private let corpusPath: String = {
    let shared =
        ProcessInfo.processInfo.environment["HILUM_SHARED"]
        ?? root.deletingLastPathComponent().appendingPathComponent("shared").path
    return shared + "/data/report-corpus/cases.jsonl"
}()

struct BuiltInModelTests {
    @Test func theCommittedModelIsWholeAndSmall() throws {
        let (configuration, inventory) = try MCRModel.inspect(folder)
        #expect(configuration.name == "mcr-film")
        #expect(inventory.missing.isEmpty && inventory.extra.isEmpty && inventory.misshapen.isEmpty)
        let size = try FileManager.default.attributesOfItem(atPath: folder + "/weights.safetensors")[.size] as? Int
        #expect(try #require(size) <= 20_000_000)
        #expect(try MCRModel(directory: folder).modelID.count == 64)
    }

    @Test func aShortQueryFindsImagesWithThatFindingOnThatSide() throws {
        let model = try MCRModel(directory: folder)
        let generator = PhantomGenerator(seed: 556, site: .a)
        let cases = (0..<300).map { generator.makeCase($0) }
        let images = try model.embed(images: cases.map(\.image), threads: 2)
        let queries = [
            ("large left pleural effusion", "effusion left"), ("right pleural effusion", "effusion right"),
            ("cardiomegaly", "cardiomegaly"), ("left pneumothorax", "pneumothorax left"),
        ]
        let texts = try model.embed(reports: queries.map(\.0), threads: 1)
        var hits = 0
        for (row, query) in queries.enumerated() {
            let text = texts[(row * model.dimension)..<((row + 1) * model.dimension)]
            let scores = (0..<cases.count).map { index in
                zip(text, images[(index * model.dimension)...]).reduce(0) { $0 + $1.0 * $1.1 }
            }
            let best = (0..<cases.count).sorted { scores[$0] > scores[$1] }.prefix(5)
            hits += best.count { cases[$0].labels.contains(query.1) }
        }
        #expect(hits >= 14, "\(hits) of 20 hits bear the finding")
    }

    @Test(.enabled(if: FileManager.default.isReadableFile(atPath: corpusPath), "needs shared/data/report-corpus"))
    func theCommittedVocabularyCoversRealReports() throws {
        let texts = try String(decoding: FileIO.read(corpusPath), as: UTF8.self).split(separator: "\n").compactMap {
            (try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])?["report"] as? String
        }
        #expect(texts.count > 2000)
        let tokenizer = Tokenizer(vocabulary: try Vocabulary(path: folder + "/vocab.txt"))
        #expect(tokenizer.unknownShare(texts) < 0.02)
    }
}

@Test("The average of two models lies between them, and of a model with itself is that model")
func averages() throws {
    let vocabulary = try VocabularyBuilder.build(texts: ["no effusion is seen"], terms: [], size: 400)
    let first = try MCRModel(untrained: .micro, vocabulary: vocabulary, seed: 1)
    let second = try MCRModel(untrained: .micro, vocabulary: vocabulary, seed: 2)
    #expect(try first.averaged(with: first, share: 0.25).modelID == first.modelID)
    #expect(try first.averaged(with: second, share: 1).modelID == second.modelID)
    let mean = try first.averaged(with: second, share: 0.25)
    for i in 0..<mean.values.count {
        let expected = 0.75 * first.values.pointer[i] + 0.25 * second.values.pointer[i]
        guard abs(mean.values.pointer[i] - expected) > 1e-6 else { continue }
        Issue.record("weight \(i)")
        break
    }
    let other = try MCRModel(untrained: .compact, vocabulary: vocabulary, seed: 1)
    #expect(throws: MCRError.self) { try first.averaged(with: other, share: 0.5) }
}
