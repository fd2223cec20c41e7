// What a training step must store for a pair, counted from the shapes.

extension MCRNetwork {
    /// Floats that the forward pass of one pair stores for the backward pass, with `kept` patches seen, a report of `tokens`
    /// tokens and `hiddenTokens` of them hidden.
    ///
    /// A block over L rows of width w with h heads stores x, both normed inputs, Q, K, V, the attention's output, the sum after
    /// it and the MLP before and after GELU, 16·w·L in all, and the weights h·L². A map stores two hidden layers and its output
    /// for each row; the decoder its input, its blocks, its output and their gradients, and the predictions of what was hidden.
    public func storedFloatsOfAPair(kept: Int, tokens: Int, hiddenTokens: Int) -> Int {
        let sizes = configuration
        func stack(_ encoder: MCRConfiguration.EncoderSizes, _ lengths: [Int]) -> Int {
            lengths.reduce(0) { sum, rows in
                let block = 16 * encoder.width * rows + encoder.heads * rows * rows
                return sum + encoder.layers * block + 2 * encoder.width * rows
            }
        }
        func head(_ rows: Int) -> Int {
            let mapped = sizes.alignment == .mba ? rows : 1
            return mapped * (2 * sizes.mapHidden + sizes.dimension)
        }
        let imageRows = kept + 1
        var floats = kept * (sizes.patchFeatures + sizes.image.width)
        floats += stack(sizes.image, [imageRows]) + head(imageRows)
        floats += stack(sizes.report, [tokens]) + head(tokens)
        // Gradients of the two encoders' outputs, which live through the backward pass.
        floats += imageRows * sizes.image.width + tokens * sizes.report.width
        guard decoder != nil else { return floats }
        let width = sizes.decoder.width
        let lengths =
            sizes.decoderKind == .joint ? [sizes.patchCount + 1 + tokens] : [sizes.patchCount + 1, tokens]
        let decoded = lengths.reduce(0, +)
        floats += (imageRows + tokens) * width + stack(sizes.decoder, lengths) + 2 * decoded * width
        floats += (sizes.patchCount - kept) * (2 * width + sizes.patchPixels)
        floats += hiddenTokens * (2 * width + 2 * sizes.report.width + sizes.vocabularySize)
        return floats
    }
}
