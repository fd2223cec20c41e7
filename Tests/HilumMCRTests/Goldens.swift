import Foundation
import HilumCore
import HilumImaging
import HilumNN

@testable import HilumMCR

/// What the PyTorch model in `tools/reference` computed; `tools/reference/export-goldens` makes the files again.
///
///     inputs.safetensors          the images as 16-bit samples, and the start value of every tensor
///     embeddings.safetensors      case.images.masked, case.reports.unmasked.alone, …
///     gradients-CASE.safetensors  the gradient of every tensor that the loss reaches
///     final.safetensors           tensors after ten steps
///     goldens.json                cases: sizes, pairs, masks, losses
struct Goldens {
    /// Which patches stay and which tokens are hidden, pair by pair.
    struct Masks: Sendable {
        let kept: [[Int32]]
        let hidden: [[Int]]

        var recorded: RecordedMasks { RecordedMasks(kept: kept, hidden: hidden.map { $0.map { $0 == 1 } }) }
    }

    struct Losses: Sendable {
        let contrast: Double
        let pixels: Double?
        let words: Double?
        let loss: Double
    }

    struct Gradient: Sendable {
        let masks: Masks?
        let losses: Losses
    }

    struct Step: Sendable {
        let masks: Masks?
        let losses: Losses
        let rate: Double
        /// Before the clip.
        let gradientNorm: Double
        /// After the step.
        let tau: Double
    }

    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let objective: Objective
        let configuration: MCRConfiguration
        let startOfTau: Float
        let peakRate: Double
        /// Image and report of each pair.
        let pairs: [[Int]]
        let gradient: Gradient?
        let embeddingMasks: Masks?
        let steps: [Step]
        let finalNorms: [String: Double]
        let storesFinal: Bool

        var description: String { name }
    }

    static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens").path

    let reports: [[Int32]]
    let warmUpShare: Double
    let stepCount: Int
    let cases: [Case]
    private let inputs: [String: TensorView]

    init() throws {
        let document = try JSON(parsing: FileIO.read(Self.folder + "/goldens.json")[...])
        reports = try document.member("reports")
        cases = try document.member("cases")
        warmUpShare = try document.member("warmUpShare")
        stepCount = try document.member("stepCount")
        inputs = try Self.tensors("inputs")
    }

    /// The tensors of a file.
    static func tensors(_ stem: String) throws -> [String: TensorView] {
        try SafeTensors.read(folder + "/\(stem).safetensors").tensors
    }

    /// The pairs of a case as a training set.
    func trainingSet(_ golden: Case) throws -> TrainingSet {
        let samples = try value("pixels16").floats
        let side = golden.configuration.imageSide
        var pixels: [UInt16] = []
        for pair in golden.pairs {
            let image = samples[(pair[0] * side * side)..<((pair[0] + 1) * side * side)]
            pixels += Preprocessing.patches(
                of: GrayImage(width: side, height: side, samples: image.map { UInt16($0) }), golden.configuration)
        }
        let pairReports = golden.pairs.map { reports[$0[1]] }
        return TrainingSet(
            pixels: pixels,
            reports: pairReports.map { ids in
                var report = TokenizedReport()
                report.ids = ids
                report.wordIndex = ids.indices.map { $0 == 0 || $0 == ids.count - 1 ? -1 : Int32($0 - 1) }
                return report
            },
            // Equal for equal reports: the place of the first that is equal.
            hashes: pairReports.map { ids in UInt64(pairReports.firstIndex(of: ids) ?? 0) },
            labels: golden.pairs.map { _ in [] }, configuration: golden.configuration)
    }

    /// A trainer at the start values of a case.
    func trainer(_ golden: Case, threads: Int = 2) throws -> MCRTrainer {
        let words = (Vocabulary.specialPieces.count..<golden.configuration.vocabularySize).map { "word\($0)" }
        let vocabulary = try Vocabulary(pieces: Vocabulary.specialPieces + words)
        var options = TrainingOptions()
        options.objective = golden.objective
        options.batchSize = golden.pairs.count
        options.threads = threads
        let trainer = try MCRTrainer(
            golden.configuration, tokenizer: Tokenizer(vocabulary: vocabulary), options: options)
        for parameter in trainer.network.layout.parameters {
            let isOther = golden.configuration.alignment == .abm && parameter.name.hasSuffix("query")
            let start = try value(isOther ? "abm." + parameter.name : parameter.name)
            guard start.shape == parameter.shape else {
                throw GoldenError(reason: "\(parameter.name) has the shape \(start.shape)")
            }
            for (i, float) in start.floats.enumerated() { trainer.values.pointer[parameter.offset + i] = float }
        }
        trainer.values.pointer[trainer.network.logitScale] = golden.startOfTau
        return trainer
    }

    /// A step on these masks. The plan asks for no mask of its own, so recorded masks that went unused would show.
    func plan(_ golden: Case, _ masks: Masks?, objective: Objective? = nil) -> StepPlan {
        StepPlan(
            objective: objective ?? golden.objective, imageMask: .none, reportMask: .none, reconstructs: masks != nil,
            seed: 1, step: 0, recorded: masks?.recorded)
    }

    private func value(_ name: String) throws -> TensorView {
        guard let tensor = inputs[name] else { throw GoldenError(reason: "inputs.safetensors lacks \(name)") }
        return tensor
    }
}

struct GoldenError: Error {
    let reason: String
}

/// How far computed values are from golden ones.
enum Deviation {
    /// |a − b| / |b|; |a − b| where b is zero.
    static func relative(_ a: Double, _ b: Double) -> Double { abs(a - b) / (b == 0 ? 1 : abs(b)) }

    /// The largest |a − b|.
    static func largest(_ a: [Float], _ b: [Float]) -> Double {
        precondition(a.count == b.count, "equal shapes")
        return zip(a, b).reduce(0) { max($0, abs(Double($1.0) - Double($1.1))) }
    }

    /// ‖a − b‖ / ‖b‖
    static func relative(_ a: [Float], _ b: [Float]) -> Double {
        precondition(a.count == b.count, "equal shapes")
        let difference = zip(a, b).reduce(0.0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
        let size = b.reduce(0.0) { $0 + Double($1) * Double($1) }
        return (difference / (size == 0 ? 1 : size)).squareRoot()
    }
}

extension Int32: JSONReadable {}

extension Goldens.Masks: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(kept: try json.member("kept"), hidden: try json.member("hidden"))
    }
}

extension Goldens.Losses: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            contrast: try json.member("contrast"), pixels: try json.optionalMember("pixels"),
            words: try json.optionalMember("words"), loss: try json.member("loss"))
    }
}

extension Goldens.Gradient: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(masks: try json.optionalMember("masks"), losses: try json.member("losses"))
    }
}

extension Goldens.Step: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            masks: try json.optionalMember("masks"), losses: try json.member("losses"),
            rate: try json.member("rate"), gradientNorm: try json.member("gradientNorm"),
            tau: try json.member("tau"))
    }
}

extension Goldens.Case: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            name: try json.member("name"), objective: try json.member("objective"),
            configuration: try json.member("configuration"), startOfTau: try json.member("startOfTau"),
            peakRate: try json.member("peakRate"), pairs: try json.member("pairs"),
            gradient: try json.optionalMember("gradient"),
            embeddingMasks: try json.optionalMember("embeddingMasks"), steps: try json.member("steps"),
            finalNorms: try json.member("finalNorms"), storesFinal: try json.member("storesFinal"))
    }
}
