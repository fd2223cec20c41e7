/// The name tables.
extension WeightImport {
    /// A tensor of the MCR model and what it is made of.
    struct Slot {
        enum Recipe {
            /// The rows of the sources one after the other; most slots have one source.
            case joined
            /// RGB kernel → grey rows, for the weight and for the bias.
            case patchKernel, patchBias
            /// [CLS] with its position.
            case classToken
            case patchPositions
            /// Positions with token type 0.
            case tokenPositions
        }

        let name: String
        /// Whole names in the file.
        let sources: [String]
        /// The shape each source must have.
        let shapes: [[Int]]
        let recipe: Recipe
    }

    /// The names of a block without `.weight` and `.bias`.
    private struct BlockNames {
        let norm1: String
        /// One joined projection, or query, key and value.
        let qkv: [String]
        let attentionOut: String
        let norm2: String
        let mlpIn: String
        let mlpOut: String
    }

    static func positionTable(_ scheme: Scheme) -> String {
        switch scheme {
        case .timmViT: "pos_embed"
        case .hfViT: "embeddings.position_embeddings"
        case .hfBERT: "embeddings.position_embeddings.weight"
        }
    }

    /// A name by which it is known that a layer is there.
    static func layerMark(_ scheme: Scheme, _ layer: Int, _ weights: ForeignWeights, _ prefix: String) -> String {
        switch scheme {
        case .timmViT: "blocks.\(layer).norm1.weight"
        case .hfViT: (isRecentViT(weights, prefix) ? "layers" : "encoder.layer") + ".\(layer).layernorm_before.weight"
        case .hfBERT: "encoder.layer.\(layer).attention.self.query.weight"
        }
    }

    /// Since release 5 transformers names a ViT's layers otherwise in memory; files keep the earlier names.
    private static func isRecentViT(_ weights: ForeignWeights, _ prefix: String) -> Bool {
        weights.shape(prefix + "layers.0.layernorm_before.weight") != nil
    }

    private func blockNames(_ layer: Int) -> BlockNames {
        switch scheme {
        case .timmViT:
            let block = "blocks.\(layer)."
            return BlockNames(
                norm1: block + "norm1", qkv: [block + "attn.qkv"], attentionOut: block + "attn.proj",
                norm2: block + "norm2", mlpIn: block + "mlp.fc1", mlpOut: block + "mlp.fc2")
        case .hfViT where Self.isRecentViT(weights, prefix):
            let block = "layers.\(layer)."
            return BlockNames(
                norm1: block + "layernorm_before", qkv: ["q", "k", "v"].map { "\(block)attention.\($0)_proj" },
                attentionOut: block + "attention.o_proj", norm2: block + "layernorm_after", mlpIn: block + "mlp.fc1",
                mlpOut: block + "mlp.fc2")
        case .hfViT:
            let block = "encoder.layer.\(layer)."
            return BlockNames(
                norm1: block + "layernorm_before",
                qkv: ["query", "key", "value"].map { "\(block)attention.attention.\($0)" },
                attentionOut: block + "attention.output.dense", norm2: block + "layernorm_after",
                mlpIn: block + "intermediate.dense", mlpOut: block + "output.dense")
        case .hfBERT:
            let block = "encoder.layer.\(layer)."
            return BlockNames(
                norm1: block + "attention.output.LayerNorm",
                qkv: ["query", "key", "value"].map { "\(block)attention.self.\($0)" },
                attentionOut: block + "attention.output.dense", norm2: block + "output.LayerNorm",
                mlpIn: block + "intermediate.dense", mlpOut: block + "output.dense")
        }
    }

    /// Everything the encoder needs.
    func slots() -> [Slot] {
        var slots = scheme.isImage ? imageEmbeddingSlots() : reportEmbeddingSlots()
        let encoder = scheme.isImage ? "image" : "report"
        let width = sizes.width
        for layer in 0..<sizes.layers {
            let names = blockNames(layer)
            let block = "\(encoder).blocks.\(layer)"
            slots += norm("\(block).norm1", names.norm1)
            slots += linear("\(block).attn.qkv", names.qkv, inputs: width, outputs: 3 * width)
            slots += linear("\(block).attn.proj", [names.attentionOut], inputs: width, outputs: width)
            slots += norm("\(block).norm2", names.norm2)
            slots += linear("\(block).mlp.fc1", [names.mlpIn], inputs: width, outputs: 4 * width)
            slots += linear("\(block).mlp.fc2", [names.mlpOut], inputs: 4 * width, outputs: width)
        }
        switch scheme {
        case .timmViT: slots += norm("image.norm", "norm")
        case .hfViT: slots += norm("image.norm", "layernorm")
        case .hfBERT: break
        }
        return slots
    }

    private func imageEmbeddingSlots() -> [Slot] {
        let (width, side) = (sizes.width, sizes.patchSide)
        let isTimm = scheme == .timmViT
        let patch = prefix + (isTimm ? "patch_embed.proj" : "embeddings.patch_embeddings.projection")
        let token = prefix + (isTimm ? "cls_token" : "embeddings.cls_token")
        let positions = prefix + Self.positionTable(scheme)
        let kernelShape = [width, 3, side, side]
        let positionShape = [1, sizes.positions, width]
        return [
            Slot(
                name: "image.patch_embed.weight", sources: [patch + ".weight"], shapes: [kernelShape],
                recipe: .patchKernel),
            Slot(
                name: "image.patch_embed.bias", sources: [patch + ".weight", patch + ".bias"],
                shapes: [kernelShape, [width]], recipe: .patchBias),
            Slot(
                name: "image.cls_token", sources: [token, positions], shapes: [[1, 1, width], positionShape],
                recipe: .classToken),
            Slot(
                name: "image.position_embed.weight", sources: [positions], shapes: [positionShape],
                recipe: .patchPositions),
        ]
    }

    private func reportEmbeddingSlots() -> [Slot] {
        let width = sizes.width
        let embeddings = prefix + "embeddings."
        let types = embeddings + "token_type_embeddings.weight"
        return [
            Slot(
                name: "report.token_embed.weight", sources: [embeddings + "word_embeddings.weight"],
                shapes: [[sizes.vocabulary, width]], recipe: .joined),
            Slot(
                name: "report.position_embed.weight", sources: [embeddings + "position_embeddings.weight", types],
                shapes: [[sizes.positions, width], [weights.shape(types)?.first ?? 2, width]], recipe: .tokenPositions),
        ] + norm("report.embed_norm", "embeddings.LayerNorm")
    }

    /// Norms of files made from the first release of BERT are called `gamma` and `beta`.
    private func norm(_ ours: String, _ theirs: String) -> [Slot] {
        [("weight", "gamma"), ("bias", "beta")].map { name, early in
            let source = prefix + theirs + "."
            let isEarly = weights.shape(source + name) == nil && weights.shape(source + early) != nil
            return Slot(
                name: "\(ours).\(name)", sources: [source + (isEarly ? early : name)], shapes: [[sizes.width]],
                recipe: .joined)
        }
    }

    private func linear(_ ours: String, _ theirs: [String], inputs: Int, outputs: Int) -> [Slot] {
        let rows = outputs / theirs.count
        return [("weight", [rows, inputs]), ("bias", [rows])].map { name, shape in
            Slot(
                name: "\(ours).\(name)", sources: theirs.map { "\(prefix)\($0).\(name)" },
                shapes: theirs.map { _ in shape },
                recipe: .joined)
        }
    }

    /// Whether an unused tensor takes part in what the encoder computes: its norms, gates, registers, position biases.
    func isForeign(_ name: String) -> Bool {
        guard name.hasPrefix(prefix) else { return false }
        let rest = name.dropFirst(prefix.count)
        if rest == "embeddings.mask_token" || rest.hasSuffix("position_ids") { return false }
        let parts: [String] =
            switch scheme {
            case .timmViT: ["blocks.", "patch_embed.", "norm_pre.", "reg_token", "dist_token", "norm."]
            case .hfViT: ["embeddings.", "encoder.", "layers.", "layernorm."]
            case .hfBERT: ["embeddings.", "encoder."]
            }
        return parts.contains { rest.hasPrefix($0) }
    }
}
