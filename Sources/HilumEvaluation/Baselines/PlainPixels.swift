import HilumImaging

/// Images compared by their pixels alone: the yardstick that a learnt image encoder has to beat.
public enum PlainPixels {
    /// Side of the small picture that is compared.
    public static let side = 32

    /// `[side²]`: the image fitted into a square (black borders), its mean taken off, at length 1; the dot product of two is
    /// their correlation. An image of one grey has the zero vector, which is as far from all others.
    public static func vector(of image: GrayImage) -> [Float] {
        let samples = image.resizedToFit(side: side).samples
        let mean = Double(samples.reduce(0) { $0 + Int($1) }) / Double(samples.count)
        let centred = samples.map { Double($0) - mean }
        let length = centred.reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard length > 0 else { return [Float](repeating: 0, count: samples.count) }
        return centred.map { Float($0 / length) }
    }

    /// The correlation of two vectors of `vector(of:)`.
    public static func correlation(_ a: [Float], _ b: [Float]) -> Float {
        var sum: Float = 0
        for index in a.indices { sum += a[index] * b[index] }
        return sum
    }
}
