/// `vector` with length 1; nil when it has no direction. A vector that is a unit vector already stays bit for bit.
func unitVector(_ vector: [Float]) -> [Float]? {
    var square = 0.0
    for value in vector { square += Double(value) * Double(value) }
    guard square.isFinite, square > 1e-30 else { return nil }
    if abs(square - 1) < 1e-5 { return vector }
    let scale = 1 / square.squareRoot()
    return vector.map { Float(Double($0) * scale) }
}
