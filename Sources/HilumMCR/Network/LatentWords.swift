import Foundation
import HilumNN

/// A linear way from the words of a report to the common space, beside the transformer: latent semantic analysis.
///
///     pieces and pairs of neighbours ─ tf · idf, unit length x [F] ─ · U ─► z;   t = c · (z / ‖z‖ − m);   e = (deep + t) / ‖deep + t‖
///
/// A report encoder that has read a few hundred reports says less about the next one than its words do. The way is solved after
/// the training (`ShortcutFit`), never trained by gradients; where c is 0 it changes no bit. Each piece has a share of z, so heat maps
/// stay exact. Source: Deerwester et al., "Indexing by latent semantic analysis", 1990.
struct LatentWords: Sendable {
    /// Pieces of the vocabulary; features 0 ..< pieces are theirs.
    let pieces: Int
    /// Features that pairs of neighbours share, by a hash.
    let pairs: Int
    let dimension: Int
    /// Offsets of U `[F, dimension]`, idf `[F]`, m `[dimension]` and c `[1]`.
    let weight: Int
    let idf: Int
    let mean: Int
    let scale: Int

    /// - Parameter dimension: numbers that it leads to; nil: the common space.
    init(
        _ configuration: MCRConfiguration, name: String = "report.words", pairs: Int, dimension: Int? = nil,
        in layout: inout ParameterLayout
    ) {
        pieces = configuration.vocabularySize
        self.pairs = pairs
        self.dimension = dimension ?? configuration.dimension
        weight = layout.add("\(name).weight", [pieces + pairs, self.dimension], .zeros, decays: false)
        idf = layout.add("\(name).idf", [pieces + pairs], .zeros, decays: false)
        mean = layout.add("\(name).mean", [self.dimension], .zeros, decays: false)
        scale = layout.add("\(name).scale", [1], .zeros, decays: false)
    }

    /// Features of a report, F.
    var featureCount: Int { pieces + pairs }

    /// A feature of a report, how often it occurs, and the places of its pieces.
    struct Feature {
        let number: Int
        var places: [Int]
        /// Pieces that one occurrence has: 1 or 2.
        let width: Int

        var count: Int { places.count / width }
    }

    /// Whether it changes a vector.
    func isActive(_ values: UnsafePointer<Float>) -> Bool { values[scale] != 0 }

    /// Makes everything zero.
    func clear(_ values: FloatPointer) {
        (values + weight).update(repeating: 0, count: featureCount * dimension)
        (values + idf).update(repeating: 0, count: featureCount)
        (values + mean).update(repeating: 0, count: dimension)
        values[scale] = 0
    }

    /// The features of a report in the order of their numbers, without [CLS], [SEP] and hidden pieces.
    func features(_ ids: [Int32], hidden: [Bool]? = nil) -> [Feature] {
        var found: [Int: Feature] = [:]
        func add(_ number: Int, _ places: [Int]) {
            found[number, default: Feature(number: number, places: [], width: places.count)].places += places
        }
        func isShown(_ place: Int) -> Bool { !(hidden?[place] ?? false) }
        guard ids.count > 2 else { return [] }
        for place in 1..<(ids.count - 1) where isShown(place) {
            add(Int(ids[place]), [place])
            if pairs > 0, place + 1 < ids.count - 1, isShown(place + 1) {
                add(pieces + Self.bucket(ids[place], ids[place + 1], of: pairs), [place, place + 1])
            }
        }
        return found.values.sorted { $0.number < $1.number }
    }

    private static func bucket(_ first: Int32, _ second: Int32, of count: Int) -> Int {
        var mixed = UInt64(UInt32(bitPattern: first)) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ UInt64(UInt32(bitPattern: second))) &* 0xBF58_476D_1CE4_E5B9
        return Int((mixed >> 33) % UInt64(count))
    }

    /// x: the weights of features, of unit length; zeros where no feature is known.
    static func weights(_ features: [Feature], idf: (Int) -> Float) -> [Float] {
        var x = features.map { (1 + log(Float($0.count))) * idf($0.number) }
        let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
        if length > 0 { for index in x.indices { x[index] /= length } }
        return x
    }

    /// Writes z `[dimension]` of a report; zeros for one without a known feature.
    func sum(_ values: UnsafePointer<Float>, _ ids: [Int32], hidden: [Bool]? = nil, into result: FloatPointer) {
        let features = features(ids, hidden: hidden)
        let x = Self.weights(features) { values[idf + $0] }
        result.update(repeating: 0, count: dimension)
        for (feature, value) in zip(features, x) where value != 0 {
            NetworkKernels.addScaled(result, values + weight + feature.number * dimension, value, dimension)
        }
    }

    /// Writes t `[dimension]` of a report; zeros for one without a known feature.
    func apply(_ values: UnsafePointer<Float>, _ ids: [Int32], hidden: [Bool]? = nil, into result: FloatPointer) {
        sum(values, ids, hidden: hidden, into: result)
        let length = Float(NetworkKernels.sumOfSquares(result, dimension).squareRoot())
        guard length > Self.leastLength else {
            result.update(repeating: 0, count: dimension)
            return
        }
        NetworkKernels.affine(result, result, scale: values[scale] / length, shift: 0, dimension)
        NetworkKernels.addScaled(result, values + mean, -values[scale], dimension)
    }

    /// A shorter z says nothing.
    private static let leastLength: Float = 1e-6

    /// What each piece brings to t, `[ids.count, dimension]`: row 0 is −c · m; they sum to t up to rounding.
    func shares(_ values: UnsafePointer<Float>, _ ids: [Int32]) -> [Float] {
        var rows = [Float](repeating: 0, count: ids.count * dimension)
        let features = features(ids)
        let x = Self.weights(features) { values[idf + $0] }
        var whole = [Float](repeating: 0, count: dimension)
        for (feature, value) in zip(features, x) where value != 0 {
            let row = values + weight + feature.number * dimension
            let part = value / Float(feature.places.count)
            for j in 0..<dimension {
                whole[j] += value * row[j]
                for place in feature.places { rows[place * dimension + j] += part * row[j] }
            }
        }
        let length = whole.reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard length > Self.leastLength else { return [Float](repeating: 0, count: rows.count) }
        for index in rows.indices { rows[index] *= values[scale] / length }
        for j in 0..<dimension { rows[j] -= values[scale] * values[mean + j] }
        return rows
    }

    /// Adds t to a unit vector and makes the sum one again.
    func add(_ part: UnsafePointer<Float>, to embedding: FloatPointer) {
        NetworkKernels.add(embedding, part, dimension)
        let length = max(Float(NetworkKernels.sumOfSquares(embedding, dimension).squareRoot()), 1e-12)
        NetworkKernels.affine(embedding, embedding, scale: 1 / length, shift: 0, dimension)
    }
}
