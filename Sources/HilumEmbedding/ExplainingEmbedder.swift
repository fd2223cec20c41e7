import HilumImaging

/// An embedder that can say which patches of an image answer to which words of a text.
///
/// Thread rule: any number of threads at once; the same call gives the same bits.
public protocol ExplainingEmbedder: Embedder {
    /// What evidence is held against, made from `images`: at least one, better a few hundred of the kind to be explained.
    ///
    /// - Throws: `.noLocalFeatures`.
    func baseline(images: [GrayImage], threads: Int) throws(EmbeddingError) -> ExplanationBaseline

    /// Which patches of `image` answer to which words of `text`.
    ///
    /// - Parameter baseline: made by this embedder; nil takes the bare score apart.
    /// - Throws: `.noLocalFeatures`.
    func explain(
        image: GrayImage, text: String, baseline: ExplanationBaseline?
    ) throws(EmbeddingError) -> Explanation
}
