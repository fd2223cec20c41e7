import HilumNN

/// A linear way from the stem's features to the common space, beside the transformer.
///
///     features [N, C] ─ mean of each of cells² parts of the picture ─ − m ─ · W ─ + b ─► s [D];   e = (deep + s) / ‖deep + s‖
///
/// A ridge regression has no start values and nothing to overfit with but its strength, so on the few hundred pairs of a pilot it is
/// ahead of any training, and later the two err in different places. It is solved after the training (`ShortcutFit`), never trained
/// by gradients; all zeros, it changes no bit. Each patch has a share of the sum, so heat maps stay exact.
struct LinearShortcut: Sendable {
    /// Parts of a row and a column of the picture.
    let cells: Int
    let channels: Int
    let dimension: Int
    let gridSide: Int
    /// Offsets of W `[cells², dimension, channels]`, m `[cells², channels]` and b `[dimension]`.
    let weight: Int
    let mean: Int
    let bias: Int

    /// - Parameter dimension: numbers that it leads to; nil: the common space.
    init(
        _ configuration: MCRConfiguration, name: String = "image.shortcut", cells: Int, channels: Int,
        dimension: Int? = nil, in layout: inout ParameterLayout
    ) {
        self.cells = cells
        self.channels = channels
        self.dimension = dimension ?? configuration.dimension
        gridSide = configuration.gridSide
        let parts = cells * cells
        weight = layout.add("\(name).weight", [parts, self.dimension, channels], .zeros, decays: false)
        mean = layout.add("\(name).mean", [parts, channels], .zeros, decays: false)
        bias = layout.add("\(name).bias", [self.dimension], .zeros, decays: false)
    }

    /// Numbers that a picture has for the regression.
    var inputCount: Int { cells * cells * channels }

    /// Whether anything but zeros stands in W and b.
    func isActive(_ values: UnsafePointer<Float>) -> Bool {
        let count = cells * cells * dimension * channels
        return (0..<count).contains { values[weight + $0] != 0 } || (0..<dimension).contains { values[bias + $0] != 0 }
    }

    /// Makes everything zero.
    func clear(_ values: FloatPointer) {
        (values + weight).update(repeating: 0, count: cells * inputCount / cells * dimension)
        (values + mean).update(repeating: 0, count: inputCount)
        (values + bias).update(repeating: 0, count: dimension)
    }

    /// The part of the picture that a patch lies in.
    func cell(of patch: Int) -> Int {
        func part(_ place: Int) -> Int { place * cells / gridSide }
        return part(patch / gridSide) * cells + part(patch % gridSide)
    }

    /// The mean features of each part, `[cells², channels]`; of a part without a patch those of `fallback`.
    ///
    /// - Parameters:
    ///   - rows: `[kept.count, channels]`.
    ///   - fallback: `[cells², channels]`.
    func means(
        _ rows: UnsafePointer<Float>, kept: [Int32], fallback: UnsafePointer<Float>, into means: FloatPointer
    ) {
        var counts = [Int](repeating: 0, count: cells * cells)
        means.update(repeating: 0, count: inputCount)
        for (row, patch) in kept.enumerated() {
            let cell = cell(of: Int(patch))
            counts[cell] += 1
            NetworkKernels.add(means + cell * channels, rows + row * channels, channels)
        }
        for (cell, count) in counts.enumerated() {
            let part = means + cell * channels
            if count == 0 {
                part.update(from: fallback + cell * channels, count: channels)
            } else {
                NetworkKernels.affine(part, part, scale: 1 / Float(count), shift: 0, channels)
            }
        }
    }

    /// Writes s `[dimension]` of one picture.
    ///
    /// - Parameters:
    ///   - rows: features of the patches that stay, `[kept.count, channels]`.
    ///   - kept: the patches that stay; a part of the picture that is hidden brings nothing.
    func apply(
        _ values: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, kept: [Int32], into result: FloatPointer,
        _ workspace: Workspace
    ) {
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let means = workspace.take(inputCount)
        self.means(rows, kept: kept, fallback: values + mean, into: means)
        NetworkKernels.addScaled(means, values + mean, -1, inputCount)
        result.update(from: values + bias, count: dimension)
        for cell in 0..<(cells * cells) {
            for j in 0..<dimension {
                let row = values + weight + (cell * dimension + j) * channels
                result[j] += NetworkKernels.dot(row, means + cell * channels, channels)
            }
        }
    }

    /// Adds s to a unit vector and makes the sum one again.
    /// - Returns: what the sum was divided by.
    @discardableResult
    func add(_ shortcut: UnsafePointer<Float>, to embedding: FloatPointer) -> Float {
        NetworkKernels.add(embedding, shortcut, dimension)
        let length = max(Float(NetworkKernels.sumOfSquares(embedding, dimension).squareRoot()), 1e-12)
        NetworkKernels.affine(embedding, embedding, scale: 1 / length, shift: 0, dimension)
        return length
    }

    /// What each patch brings to s: row 0 is b, then one row a patch that stays; they sum to s up to rounding.
    func shares(_ values: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, kept: [Int32]) -> [Float] {
        var counts = [Int](repeating: 0, count: cells * cells)
        for patch in kept { counts[cell(of: Int(patch))] += 1 }
        var result = (0..<dimension).map { values[bias + $0] }
        var centred = [Float](repeating: 0, count: channels)
        for (row, patch) in kept.enumerated() {
            let cell = cell(of: Int(patch))
            for channel in 0..<channels {
                centred[channel] = (rows[row * channels + channel] - values[mean + cell * channels + channel])
                centred[channel] /= Float(counts[cell])
            }
            for j in 0..<dimension {
                result.append(
                    NetworkKernels.dot(values + weight + (cell * dimension + j) * channels, centred, channels))
            }
        }
        return result
    }
}
