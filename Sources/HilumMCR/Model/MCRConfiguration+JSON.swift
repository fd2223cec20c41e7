import HilumCore
import HilumNN

extension MCRConfiguration: JSONReadable, JSONWritable {
    /// A configuration written before a field was there gets the value that field had by its nature then.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            name: try json.member("name"), imageSide: try json.member("imageSide"),
            patchSide: try json.member("patchSide"), image: try json.member("image"),
            report: try json.member("report"), maxTokens: try json.member("maxTokens"),
            vocabularySize: try json.member("vocabularySize"), mapHidden: try json.member("mapHidden"),
            dimension: try json.member("dimension"), decoder: try json.member("decoder"),
            decoderKind: try json.member("decoderKind"), alignment: try json.member("alignment"),
            imagePositions: try json.optionalMember("imagePositions") ?? .sinCos2D,
            reportEmbeddingNorm: try json.optionalMember("reportEmbeddingNorm") ?? false,
            view: try json.optionalMember("view") ?? .padded, stem: try json.optionalMember("stem"),
            shortcutCells: try json.optionalMember("shortcutCells"),
            shortcutPairs: try json.optionalMember("shortcutPairs"), own: try json.optionalMember("own"))
    }

    /// What `config.json` holds.
    public var json: JSON {
        JSON(members: [
            "name": name, "imageSide": imageSide, "patchSide": patchSide, "image": image, "report": report,
            "maxTokens": maxTokens, "vocabularySize": vocabularySize, "mapHidden": mapHidden, "dimension": dimension,
            "decoder": decoder, "decoderKind": decoderKind, "alignment": alignment, "imagePositions": imagePositions,
            "reportEmbeddingNorm": reportEmbeddingNorm, "view": view == .padded ? nil : view, "stem": stem,
            "shortcutCells": shortcutCells, "shortcutPairs": shortcutPairs,
            "own": own,
        ])
    }
}

extension MCRConfiguration.OwnCounts: JSONReadable, JSONWritable {
    /// From an object with both counts.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init(images: try json.member("images"), reports: try json.member("reports"))
    }

    /// An object with both counts.
    public var json: JSON { JSON(members: ["images": images, "reports": reports]) }
}

extension MCRConfiguration.EncoderSizes: JSONReadable, JSONWritable {
    /// Sizes written before norms could be chosen get pre-norm blocks.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            width: try json.member("width"), layers: try json.member("layers"), heads: try json.member("heads"),
            norm: try json.optionalMember("norm") ?? .pre,
            epsilon: try json.optionalMember("epsilon") ?? LayerNorm.standardEpsilon)
    }

    /// An object with all sizes.
    public var json: JSON {
        JSON(members: ["width": width, "layers": layers, "heads": heads, "norm": norm, "epsilon": epsilon])
    }
}
