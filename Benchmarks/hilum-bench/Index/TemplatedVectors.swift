import HilumCore

/// Made vectors that lie like the embeddings of an archive in which most reports are filled-in templates.
///
/// 19 of 20 are one of 5 templates with 8 choices filled in, most of them alike, so that they crowd together by the thousands; the rest
/// lie in 50 small clusters far away. A search for one of the few is easily led into the crowds.
enum TemplatedVectors {
    /// - Returns: unit vectors; the same for the same arguments.
    static func make(count: Int, dimension: Int, seed: UInt64) -> FloatVectors {
        var generator = SeededGenerator(seed: seed)
        func vector(_ length: Double) -> [Double] {
            (0..<dimension).map { _ in length * generator.normal() / Double(dimension).squareRoot() }
        }
        let centres = (0..<50).map { _ in vector(1) }
        let away = vector(3)
        let templates = (0..<5).map { _ in zip(away, vector(0.3)).map { $0 + $1 } }
        let choices = (0..<(5 * 8 * 12)).map { _ in vector(0.15) }
        var values: [Float] = []
        values.reserveCapacity(count * dimension)
        for _ in 0..<count {
            var row: [Double]
            if generator.chance(0.05) {
                row = zip(centres[generator.integer(below: centres.count)], vector(0.5)).map { $0 + $1 }
            } else {
                let template = generator.integer(below: templates.count)
                row = zip(templates[template], vector(0.01)).map { $0 + $1 }
                for place in 0..<8 {
                    // The first choices are the most frequent.
                    let share = generator.uniform()
                    let choice = choices[(template * 8 + place) * 12 + Int(share * share * share * 12)]
                    for index in 0..<dimension { row[index] += choice[index] }
                }
            }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for value in row { values.append(Float(value / length)) }
        }
        return FloatVectors(values: values, dimension: dimension)
    }
}
