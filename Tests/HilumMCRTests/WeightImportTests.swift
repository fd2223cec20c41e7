import Foundation
import HilumCore
import HilumImaging
import HilumNN
import HilumPhantom
import Testing

@testable import HilumMCR

private let goldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens").path
/// A folder of `tools/reference/export-imports FOLDER --full`, to compare at paper scale.
private let fullScale = ProcessInfo.processInfo.environment["HILUM_IMPORTS"]

private func file(_ scheme: WeightImport.Scheme) -> String {
    switch scheme {
    case .timmViT: "imports-timm"
    case .hfViT: "imports-hf-vit"
    case .hfBERT: "imports-hf-bert"
    }
}

private func vocabulary(_ count: Int) throws -> Vocabulary {
    try Vocabulary(
        pieces: Vocabulary.specialPieces + (0..<count - Vocabulary.specialPieces.count).map { "w\($0)" })
}

private func onlyEncoder(_ path: String) throws -> WeightImport {
    let found = WeightImport.recognise(try ForeignWeights(path))
    try #require(found.count == 1)
    return found[0]
}

/// A folder for the files of a test, taken away at its end.
private struct Scratch: ~Copyable {
    let path = NSTemporaryDirectory() + "hilum-import-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"

    init() throws { try FileIO.makeFolder(path) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A copy of a golden, its tensors changed.
    func write(
        _ scheme: WeightImport.Scheme, as name: String = "model.safetensors",
        _ change: (inout [String: TensorView]) -> Void = { _ in }
    ) throws -> String {
        var tensors = try SafeTensors.read("\(goldens)/\(file(scheme)).safetensors").tensors
        change(&tensors)
        try SafeTensors(tensors: tensors).write(to: "\(path)/\(name)", as: .f32)
        return "\(path)/\(name)"
    }
}

/// The largest difference from PyTorch's hidden states, in parts of their largest value.
private func difference(_ scheme: WeightImport.Scheme, in folder: String) throws -> Double {
    let expected = try SafeTensors.read(folder + "/imports-expected.safetensors")
    func tensor(_ name: String) throws -> TensorView { try #require(expected.tensors[name]) }
    let encoder = try onlyEncoder("\(folder)/\(file(scheme)).safetensors")
    #expect(encoder.scheme == scheme)
    var options = WeightImport.Options()
    let heads = Int(try #require(try tensor("heads").floats.first))
    options.imageHeads = heads
    options.reportHeads = heads
    let hidden = try tensor(file(scheme).replacingOccurrences(of: "imports-", with: "") + ".hidden")
    let workspace = Workspace()
    var computed: [Float] = []
    let model = try WeightImport.makeModel(
        image: scheme.isImage ? encoder : nil, report: scheme.isImage ? nil : encoder, vocabulary: vocabulary(60),
        options
    )
    let sizes = model.configuration
    var known = hidden.floats
    if scheme.isImage {
        let grey = try tensor("grey")
        let side = sizes.imageSide
        try #require(grey.shape == [hidden.shape[0], side, side])
        var pixels: [Float] = []
        for image in 0..<grey.shape[0] {
            for patch in 0..<sizes.patchCount {
                let (row, column) = patch.quotientAndRemainder(dividingBy: sizes.gridSide)
                for y in 0..<sizes.patchSide {
                    let start = (image * side + row * sizes.patchSide + y) * side + column * sizes.patchSide
                    pixels += grey.floats[start..<start + sizes.patchSide]
                }
            }
        }
        let kept = [[Int32]](repeating: (0..<Int32(sizes.patchCount)).map { $0 }, count: grey.shape[0])
        pixels.withUnsafeBufferPointer { pixels in
            guard let base = pixels.baseAddress else { return }
            let activations = model.network.imageEncoder.forward(
                model.values.pointer, pixels: base, kept: kept, workspace)
            computed = Array(UnsafeBufferPointer(start: activations.hidden, count: known.count))
        }
    } else {
        let ids = try tensor("hf-bert.ids")
        let lengths = try tensor("hf-bert.lengths").floats.map { Int($0) }
        let longest = ids.shape[1]
        let packed = lengths.indices.flatMap { row in
            ids.floats[row * longest..<row * longest + lengths[row]].map { Int32($0) }
        }
        known = lengths.indices.flatMap { row in
            Array(known[row * longest * sizes.report.width..<(row * longest + lengths[row]) * sizes.report.width])
        }
        let activations = model.network.reportEncoder.forward(
            model.values.pointer, ids: packed, Sequences(lengths: lengths), workspace)
        computed = Array(UnsafeBufferPointer(start: activations.hidden, count: known.count))
    }
    let largest = known.reduce(0) { max($0, abs(Double($1))) }
    return zip(computed, known).reduce(0) { max($0, abs(Double($1.0) - Double($1.1))) } / largest
}

@Suite("Weights published elsewhere")
struct WeightImportTests {
    @Test(
        "An imported encoder gives PyTorch's hidden states to 1e-5 of their largest value",
        arguments: WeightImport.Scheme.allCases)
    func parity(scheme: WeightImport.Scheme) throws {
        let found = try difference(scheme, in: goldens)
        #expect(found <= 1e-5, "\(found)")
    }

    @Test(
        "So it does at the size of ViT-B/16 and BERT-base",
        .enabled(if: fullScale != nil, "HILUM_IMPORTS names no folder of tools/reference/export-imports --full"),
        arguments: WeightImport.Scheme.allCases)
    func parityAtFullScale(scheme: WeightImport.Scheme) throws {
        let started = monotonicSeconds()
        let found = try difference(scheme, in: try #require(fullScale))
        print(
            "\(scheme.rawValue): \(found) of the largest value, \(monotonicSeconds() - started) s, "
                + "memory at the most \(ProcessMemory.peakByteCount >> 20) MiB")
        #expect(found <= 1e-5, "\(found)")
    }

    @Test("Positions on another grid are those that PyTorch's bicubic interpolation gives", arguments: [3, 9])
    func positions(side: Int) throws {
        let expected = try SafeTensors.read(goldens + "/imports-expected.safetensors").tensors
        let table = try #require(expected["table"])
        let known = try #require(expected["table.\(side)"])
        let width = table.shape[2]
        let found = WeightImport.resampled(table.floats, from: table.shape[0], to: side, width: width)
        try #require(found.count == known.floats.count)
        #expect(zip(found, known.floats).allSatisfy { abs($0 - $1) <= 1e-5 })
    }

    @Test("MAE's sine and cosine table stays fixed, one that was learned is learned on")
    func fixedPositions() throws {
        let scratch = try Scratch()
        var options = WeightImport.Options()
        options.imageHeads = 2
        let fixed = try scratch.write(.timmViT) {
            let rows = [Float](repeating: 0, count: 16) + Positions.grid(side: 4, width: 16)
            $0["pos_embed"] = TensorView(shape: [1, 17, 16], floats: rows)
        }
        let words = try vocabulary(20)
        let model = try WeightImport.makeModel(
            image: onlyEncoder(fixed), report: nil, vocabulary: words, options)
        #expect(model.configuration.imagePositions == .sinCos2D)
        #expect(model.configuration.imageSide == 32 && model.configuration.patchSide == 8)
        options.imageSide = 48
        let larger = try WeightImport.makeModel(
            image: onlyEncoder(fixed), report: nil, vocabulary: words, options)
        #expect(larger.configuration.imagePositions == .learned)
        #expect(larger.configuration.patchCount == 36)
        let learned = try WeightImport.makeModel(
            image: onlyEncoder(goldens + "/imports-timm.safetensors"), report: nil, vocabulary: words, options)
        #expect(learned.configuration.imagePositions == .learned)
    }

    @Test("Prefixes, the early names of norms and transformers' recent names of a ViT fill the same tensors")
    func names() throws {
        let scratch = try Scratch()
        func model(_ path: String) throws -> MCRModel {
            let encoder = try onlyEncoder(path)
            var options = WeightImport.Options()
            options.imageHeads = 2
            options.reportHeads = 2
            return try WeightImport.makeModel(
                image: encoder.scheme.isImage ? encoder : nil, report: encoder.scheme.isImage ? nil : encoder,
                vocabulary: vocabulary(60), options)
        }
        func renamed(_ name: String, _ scheme: WeightImport.Scheme, _ pairs: [(String, String)]) throws -> String {
            try scratch.write(scheme, as: name) { tensors in
                tensors = Dictionary(
                    tensors.map { key, value in
                        (pairs.reduce(key) { $0.replacingOccurrences(of: $1.0, with: $1.1) }, value)
                    }, uniquingKeysWith: { first, _ in first })
            }
        }
        let bert = try model(goldens + "/imports-hf-bert.safetensors").modelID
        let early = [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")]
        #expect(try model(renamed("a", .hfBERT, early)).modelID == bert)
        #expect(try model(renamed("b", .hfBERT, [("bert.", "")])).modelID == bert)
        let vit = try model(goldens + "/imports-hf-vit.safetensors").modelID
        #expect(try model(renamed("c", .hfViT, [("vit.", "")])).modelID == vit)
        let recent = [
            ("encoder.layer.", "layers."), ("attention.attention.query", "attention.q_proj"),
            ("attention.attention.key", "attention.k_proj"), ("attention.attention.value", "attention.v_proj"),
            ("attention.output.dense", "attention.o_proj"), ("intermediate.dense", "mlp.fc1"),
            ("output.dense", "mlp.fc2"),
        ]
        #expect(try model(renamed("d", .hfViT, recent)).modelID == vit)
        let timm = try model(goldens + "/imports-timm.safetensors").modelID
        let trunk = try scratch.write(.timmViT, as: "e") { tensors in
            tensors = Dictionary(
                tensors.map { ("visual.trunk." + $0, $1) }, uniquingKeysWith: { first, _ in first })
        }
        #expect(try model(trunk).modelID == timm)
        #expect(Set([bert, vit, timm]).count == 3)
    }

    @Test("What is needed and not there, of another shape, or unknown to this network is named and refused")
    func inventories() throws {
        let scratch = try Scratch()
        func refusal(_ path: String) throws -> String {
            let error = #expect(throws: MCRError.self) {
                _ = try WeightImport.makeModel(
                    image: onlyEncoder(path), report: nil, vocabulary: vocabulary(20), WeightImport.Options())
            }
            return error?.description ?? ""
        }
        let whole = try onlyEncoder(goldens + "/imports-timm.safetensors").inventory()
        #expect(whole.missing.isEmpty && whole.misshapen.isEmpty && whole.foreign.isEmpty)
        #expect(whole.extra == ["head.bias", "head.weight"])
        #expect(whole.mapped.count == 4 + 2 * 12 + 2)

        let lacking = try scratch.write(.timmViT, as: "a") { $0["blocks.1.attn.qkv.bias"] = nil }
        #expect(try onlyEncoder(lacking).inventory().missing == ["blocks.1.attn.qkv.bias"])
        #expect(try refusal(lacking).contains("missing"))

        let bent = try scratch.write(.timmViT, as: "b") {
            $0["blocks.0.mlp.fc1.weight"] = TensorView(shape: [32, 16], floats: [Float](repeating: 0, count: 512))
        }
        #expect(try onlyEncoder(bent).inventory().misshapen.count == 1)
        #expect(try refusal(bent).contains("another shape"))

        let scaled = try scratch.write(.timmViT, as: "c") {
            $0["blocks.0.ls1.gamma"] = TensorView(shape: [16], floats: [Float](repeating: 1, count: 16))
        }
        #expect(try onlyEncoder(scaled).inventory().foreign == ["blocks.0.ls1.gamma"])
        #expect(try refusal(scaled).contains("no place"))
    }

    @Test("Settings beside the weights give heads, epsilon and normalisation; an activation that differs is refused")
    func settings() throws {
        let scratch = try Scratch()
        let path = try scratch.write(.hfViT)
        try Data(#"{"num_attention_heads": 4, "layer_norm_eps": 1e-5, "hidden_act": "gelu"}"#.utf8)
            .write(to: URL(fileURLWithPath: scratch.path + "/config.json"))
        try Data(#"{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}"#.utf8)
            .write(to: URL(fileURLWithPath: scratch.path + "/preprocessor_config.json"))
        let encoder = try onlyEncoder(scratch.path)
        let options = WeightImport.Options()
        #expect(encoder.normalisation(options).value.mean == [0.1, 0.2, 0.3])
        let model = try WeightImport.makeModel(image: encoder, report: nil, vocabulary: vocabulary(20), options)
        #expect(model.configuration.image.heads == 4 && model.configuration.image.epsilon == 1e-5)
        try Data(#"{"num_attention_heads": 2, "hidden_act": "gelu_new"}"#.utf8)
            .write(to: URL(fileURLWithPath: scratch.path + "/config.json"))
        #expect(throws: MCRError.self) {
            try WeightImport.makeModel(image: onlyEncoder(path), report: nil, vocabulary: vocabulary(20), options)
        }
    }

    @Test("Shards load as one file; pickles and indices that lead elsewhere are refused")
    func files() throws {
        let scratch = try Scratch()
        let tensors = try SafeTensors.read(goldens + "/imports-hf-bert.safetensors").tensors
        var map: [String: String] = [:]
        for (number, part) in [true, false].enumerated() {
            let names = tensors.keys.filter { $0.contains("layer.0") == part }
            let shard = "model-0000\(number + 1)-of-00002.safetensors"
            for name in names { map[name] = shard }
            try SafeTensors(tensors: tensors.filter { names.contains($0.key) })
                .write(to: "\(scratch.path)/\(shard)", as: .f32)
        }
        let index = scratch.path + "/model.safetensors.index.json"
        try JSONSerialization.data(withJSONObject: ["weight_map": map]).write(to: URL(fileURLWithPath: index))
        let whole = try onlyEncoder(goldens + "/imports-hf-bert.safetensors").inventory()
        #expect(try onlyEncoder(scratch.path).inventory() == whole)
        #expect(try onlyEncoder(index).inventory() == whole)
        try JSONSerialization.data(withJSONObject: ["weight_map": ["a": "../elsewhere.safetensors"]])
            .write(to: URL(fileURLWithPath: index))
        #expect(throws: MCRError.self) { try ForeignWeights(index) }
        for name in ["pytorch_model.bin", "mae.pth"] {
            let error = #expect(throws: MCRError.self) { try ForeignWeights(name) }
            #expect(error?.description.contains("save_file") == true)
        }
    }

    @Test("A vocabulary of BERT with its unused entries is read and leaves them unused")
    func unusedPieces() throws {
        let pieces =
            ["[PAD]"] + (0..<99).map { "[unused\($0)]" } + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            + (99..<200).map { "[unused\($0)]" } + ["[", "]", "no", "##rm", "unused", "##0", "0"]
        let vocabulary = try Vocabulary(text: Array((pieces.joined(separator: "\n") + "\n").utf8))
        #expect(vocabulary.count == pieces.count && vocabulary.classID == 101 && vocabulary.maskID == 103)
        let ids = Tokenizer(vocabulary: vocabulary).encode("[unused0] norm", maxLength: 32).ids
        let unused = Set((0..<200).compactMap { vocabulary.id(of: "[unused\($0)]") })
        #expect(unused.count == 200)
        #expect(unused.isDisjoint(with: ids) && !ids.contains(vocabulary.unknownID))
    }

    @Test("A patch kernel without pixels is refused")
    func emptyKernel() throws {
        let scratch = try Scratch()
        let path = try scratch.write(.timmViT) { tensors in
            for name in tensors.keys where name.hasSuffix("patch_embed.proj.weight") {
                tensors[name] = TensorView(shape: [tensors[name]?.shape[0] ?? 0, 3, 0, 0], floats: [])
            }
        }
        let found = WeightImport.recognise(try ForeignWeights(path))
        for encoder in found {
            #expect(throws: MCRError.self) {
                try WeightImport.makeModel(image: encoder, report: nil, vocabulary: vocabulary(60), .init())
            }
        }
    }

    @Test("A model of both encoders is saved, read back under its id and trained on")
    func training() throws {
        let scratch = try Scratch()
        let cases = (0..<8).map { PhantomGenerator(seed: 3, site: .a, side: 64).makeCase($0) }
        // The vocabulary has as many pieces as the golden has embeddings, far too few for real words.
        let words = try vocabulary(60)
        let reports = (0..<8).map { "w\($0) w\(20 + 3 * $0) w\(50 - $0)" }
        var options = WeightImport.Options()
        options.imageHeads = 2
        options.reportHeads = 2
        let model = try WeightImport.makeModel(
            image: onlyEncoder(goldens + "/imports-hf-vit.safetensors"),
            report: onlyEncoder(goldens + "/imports-hf-bert.safetensors"), vocabulary: words, options)
        #expect(model.configuration.maxTokens == 40 && model.configuration.dimension == 512)
        try model.save(to: scratch.path, format: .f32)
        let again = try MCRModel(directory: scratch.path)
        #expect(again.modelID == model.modelID && again.configuration == model.configuration)
        var training = TrainingOptions()
        training.batchSize = 8
        training.threads = 2
        training.stepCount = 40
        training.peakRate = 5e-3
        training.unmaskedShare = 1
        training.checkpointInterval = 1
        let trainer = try MCRTrainer(
            again.configuration, tokenizer: again.tokenizer, options: training, start: again)
        let set = TrainingSet(
            images: cases.map(\.image), reports: reports, configuration: again.configuration,
            tokenizer: again.tokenizer)
        try trainer.run(set, validation: nil)
        let losses = trainer.records.map(\.contrastLoss)
        #expect(try #require(losses.last) < 0.8 * losses[0], "\(losses)")
    }
}

@Suite("Configurations of earlier models")
struct ConfigurationTests {
    @Test("A configuration written before norms and positions could differ is read as what it was")
    func earlierConfiguration() throws {
        let text = """
            {"alignment": "mba", "decoder": {"heads": 2, "layers": 1, "width": 96}, "decoderKind": "joint", "dimension": 128,
             "image": {"heads": 4, "layers": 4, "width": 128}, "imageSide": 96, "mapHidden": 256, "maxTokens": 128,
             "name": "mcr-compact", "patchSide": 12, "report": {"heads": 4, "layers": 3, "width": 128}, "vocabularySize": 4096}
            """
        let read = try MCRConfiguration(parsing: text.utf8)
        #expect(read == .compact && read.departures.isEmpty)
        #expect(try MCRConfiguration(parsing: read.json.text.utf8) == read)
    }

    @Test("The configuration of the built-in model is written byte for byte as it stands in its folder")
    func builtInConfiguration() throws {
        let folder = try MCRModel.builtInDirectory()
        let text = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
        let configuration = try MCRModel.configuration(folder)
        var sizes = MCRConfiguration.film
        sizes.own = .init(images: 56, reports: 40)
        #expect(configuration == sizes)
        #expect(configuration.json.sorted.indentedText == text)
    }

    @Test(
        "A configuration that cannot be used says which member is wrong",
        arguments: [
            (#"{"name":"a","imageSide":96}"#, "patchSide is missing"),
            (#"{"name":"a","imageSide":"96"}"#, "imageSide is not a whole number"),
            (#"{"name":"a","imageSide":96,"patchSide":12,"image":{"width":128}}"#, "image.layers is missing"),
            (#"{"name":"a","name":"b"}"#, "a key that stands twice"),
        ])
    func unusableConfiguration(_ text: String, _ reason: String) throws {
        let folder = NSTemporaryDirectory() + "hilum-" + UUID().uuidString
        try FileIO.makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileIO.writeAtomically(folder + "/config.json", Array(text.utf8))
        let error = #expect(throws: MCRError.self) { try MCRModel.configuration(folder) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test("The id of a model tells the place and the epsilon of norms apart")
    func identity() throws {
        let words = try vocabulary(20)
        var configuration = MCRConfiguration.micro
        var ids: [String] = [try MCRModel(untrained: configuration, vocabulary: words, seed: 1).modelID]
        configuration.report.epsilon = 1e-12
        ids.append(try MCRModel(untrained: configuration, vocabulary: words, seed: 1).modelID)
        configuration.reportEmbeddingNorm = true
        ids.append(try MCRModel(untrained: configuration, vocabulary: words, seed: 1).modelID)
        configuration.imagePositions = .learned
        ids.append(try MCRModel(untrained: configuration, vocabulary: words, seed: 1).modelID)
        configuration.image.norm = .post
        ids.append(try MCRModel(untrained: configuration, vocabulary: words, seed: 1).modelID)
        #expect(Set(ids).count == ids.count)
    }
}
