import Foundation
import HilumNN

/// How the values of an MCR model are made from those of a published encoder.
extension WeightImport {
    /// Fills the parameters that the slots name; the inventory is complete.
    func fill(_ values: ParameterBuffer, _ network: MCRNetwork, _ options: Options) throws {
        let parameters = Dictionary(
            network.layout.parameters.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for slot in slots() {
            // Fixed positions are no parameter.
            guard let parameter = parameters[slot.name] else { continue }
            let floats = try self.values(of: slot, network.configuration, options)
            precondition(floats.count == parameter.count, "a slot must fill its parameter")
            floats.withUnsafeBufferPointer { source in
                guard let base = source.baseAddress else { return }
                (values.pointer + parameter.offset).update(from: base, count: parameter.count)
            }
        }
    }

    private func values(of slot: Slot, _ configuration: MCRConfiguration, _ options: Options) throws -> [Float] {
        let width = sizes.width
        var sources: [[Float]] = []
        for name in slot.sources { sources.append(try weights.floats(name)) }
        switch slot.recipe {
        case .joined: return sources.count == 1 ? sources[0] : Array(sources.joined())
        case .patchKernel:
            return Self.greyKernel(sources[0], width: width, side: sizes.patchSide, normalisation(options).value)
        case .patchBias:
            return Self.greyBias(
                kernel: sources[0], bias: sources[1], side: sizes.patchSide, normalisation(options).value)
        case .classToken:
            guard sizes.hasClassPosition else { return sources[0] }
            return zip(sources[0], sources[1]).map { $0 + $1 }
        case .patchPositions:
            return Self.resampled(
                patchRows(sources[0]), from: sizes.grid, to: configuration.gridSide, width: width)
        case .tokenPositions:
            let rows = configuration.maxTokens
            return (0..<rows * width).map { sources[0][$0] + sources[1][$0 % width] }
        }
    }

    /// The grey patch embedding that gives what an RGB one gives for an image whose three channels are equal.
    ///
    /// A grey value g in 0…1 reaches the published encoder as (g − m_c)/s_c in channel c, so a patch gives
    /// Σ_c Σ_i W[c,i]·(g_i − m_c)/s_c + b. The encoder here is fed x_i = (g_i − ½)·4, so g_i = x_i/4 + ½, and
    ///
    ///     Σ_i x_i · Σ_c W[c,i]/(4·s_c)  +  b + Σ_c (½ − m_c)/s_c · Σ_i W[c,i]
    ///         └──── this kernel ────┘      └─────────── `greyBias` ──────────┘
    ///
    /// which is the same number but for rounding. Kernel `[width, 3, side, side]` → `[width, side · side]`, both row by row.
    static func greyKernel(_ kernel: [Float], width: Int, side: Int, _ normalisation: ImageNormalisation) -> [Float] {
        let pixels = side * side
        return (0..<width * pixels).map { place in
            let (row, pixel) = place.quotientAndRemainder(dividingBy: pixels)
            var sum = 0.0
            for channel in 0..<3 {
                sum += Double(kernel[(row * 3 + channel) * pixels + pixel]) / (4 * normalisation.deviation[channel])
            }
            return Float(sum)
        }
    }

    /// The bias that belongs to `greyKernel`, `[width]`.
    static func greyBias(kernel: [Float], bias: [Float], side: Int, _ normalisation: ImageNormalisation) -> [Float] {
        let pixels = side * side
        return bias.indices.map { row in
            var sum = Double(bias[row])
            for channel in 0..<3 {
                let start = (row * 3 + channel) * pixels
                let total = kernel[start..<start + pixels].reduce(0.0) { $0 + Double($1) }
                sum += (0.5 - normalisation.mean[channel]) / normalisation.deviation[channel] * total
            }
            return Float(sum)
        }
    }

    /// The rows of a position table that belong to patches.
    private func patchRows(_ table: [Float]) -> [Float] {
        sizes.hasClassPosition ? Array(table[sizes.width...]) : table
    }

    /// Whether the file's positions are the fixed table of this network (MAE's are), with none for [CLS].
    ///
    /// Compared to within 5e-4, which is what f16 leaves of a sine. Then they stay fixed in training, as in MAE.
    func positionsAreFixed(_ configuration: MCRConfiguration) throws -> Bool {
        guard sizes.grid == configuration.gridSide, sizes.width % 4 == 0 else { return false }
        let table = try weights.floats(prefix + Self.positionTable(scheme))
        guard table.count == sizes.positions * sizes.width else { return false }
        if sizes.hasClassPosition, table[..<sizes.width].contains(where: { $0 != 0 }) { return false }
        return zip(patchRows(table), Positions.grid(side: sizes.grid, width: sizes.width))
            .allSatisfy { abs($0 - $1) <= 5e-4 }
    }

    /// A position table `[from², width]` on a grid of another side, `[to², width]`; unchanged where the sides agree.
    ///
    /// Cubic convolution (Keys 1981) with a = −0.75, cells aligned by their corners, the edge repeated: what PyTorch's
    /// `interpolate(mode="bicubic", align_corners=False)` gives, with which transformers resamples a ViT's positions.
    static func resampled(_ table: [Float], from: Int, to: Int, width: Int) -> [Float] {
        guard from != to else { return table }
        let taps = (0..<to).map { cubicTaps($0, from: from, to: to) }
        var output = [Float](repeating: 0, count: to * to * width)
        var sum = [Double](repeating: 0, count: width)
        for row in 0..<to {
            for column in 0..<to {
                for j in 0..<width { sum[j] = 0 }
                for (y, rowWeight) in taps[row] {
                    for (x, columnWeight) in taps[column] {
                        let source = (y * from + x) * width
                        for j in 0..<width { sum[j] += rowWeight * columnWeight * Double(table[source + j]) }
                    }
                }
                let target = (row * to + column) * width
                for j in 0..<width { output[target + j] = Float(sum[j]) }
            }
        }
        return output
    }

    /// The four cells that make up cell `index` of the new grid along one axis, and their weights.
    private static func cubicTaps(_ index: Int, from: Int, to: Int) -> [(cell: Int, weight: Double)] {
        let position = (Double(index) + 0.5) * Double(from) / Double(to) - 0.5
        let first = position.rounded(.down)
        let a = -0.75
        return (-1...2).map { step in
            let distance = abs(position - first - Double(step))
            let weight =
                distance <= 1
                ? ((a + 2) * distance - (a + 3)) * distance * distance + 1
                : ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
            return (min(max(Int(first) + step, 0), from - 1), weight)
        }
    }
}
