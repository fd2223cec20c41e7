import HilumCore
import HilumNN

/// What the linear ways of a model read of pictures and reports, for a tool that solves them by itself (`tools/solve-ways`).
///
/// Thread rule: an immutable value; any number of threads.
public struct WayInputs: Sendable {
    private let model: MCRModel
    private let shortcut: LinearShortcut
    private let stem: ConvolutionalStem

    /// Nil for a model without a stem and a linear way from pictures.
    public init?(_ model: MCRModel) {
        guard let shortcut = model.network.shortcut, let stem = model.stem else { return nil }
        self.model = model
        self.shortcut = shortcut
        self.stem = stem
    }

    /// Numbers of a picture: mean features of each part, cell after cell.
    public var pictureCount: Int { shortcut.inputCount }

    /// `[set.count, pictureCount]`; the same bits on any number of threads.
    ///
    /// - Parameters:
    ///   - augmentation: how strongly pictures are varied first, 0 … 1 (`FilmVariation`); 0 leaves them as they are.
    ///   - hidden: the share of the patches that is hidden.
    ///   - seed: of variations and of what is hidden.
    public func pictures(
        _ set: TrainingSet, augmentation: Float, hidden: MaskRatio, seed: UInt64, threads: Int
    ) -> [Float] {
        var options = TrainingOptions()
        options.augmentation = augmentation
        options.seed = seed
        options.threads = threads
        let fit = ShortcutFit(network: model.network, shortcut: shortcut, options: options)
        let look = ShortcutFit.Look(step: 0, isVaried: augmentation > 0, mask: hidden)
        return fit.features(set, Array(0..<set.count), stem, [look])
    }

    /// The pieces of a report as the way from words numbers them, without [CLS] and [SEP].
    public func pieces(of report: String) -> [Int32] {
        Array(model.tokenizer.encode(report, maxLength: model.configuration.maxTokens).ids.dropFirst().dropLast())
    }
}
