import Foundation

/// Fixed sinusoidal positions.
enum Positions {
    /// 2-D positions of a square grid, `[side · side, width]` row-major.
    ///
    /// The first half of the width comes from the column index, the second from the row; within each half
    /// `[sin(p·ω₀) … sin(p·ωₖ), cos(p·ω₀) … cos(p·ωₖ)]` with ωₖ = 10000^(−k / (width/4)).
    static func grid(side: Int, width: Int) -> [Float] {
        precondition(width % 4 == 0, "2-D positions need a width that is a multiple of 4")
        let quarter = width / 4
        var table = [Float](repeating: 0, count: side * side * width)
        for row in 0..<side {
            for column in 0..<side {
                let base = (row * side + column) * width
                for k in 0..<quarter {
                    let omega = pow(10_000, -Double(k) / Double(quarter))
                    table[base + k] = Float(sin(Double(column) * omega))
                    table[base + quarter + k] = Float(cos(Double(column) * omega))
                    table[base + 2 * quarter + k] = Float(sin(Double(row) * omega))
                    table[base + 3 * quarter + k] = Float(cos(Double(row) * omega))
                }
            }
        }
        return table
    }

    /// 1-D positions, `[count, width]`: `[sin …, cos …]` with ωₖ = 10000^(−k / (width/2)).
    static func line(count: Int, width: Int) -> [Float] {
        precondition(width % 2 == 0, "1-D positions need an even width")
        let half = width / 2
        var table = [Float](repeating: 0, count: count * width)
        for position in 0..<count {
            for k in 0..<half {
                let omega = pow(10_000, -Double(k) / Double(half))
                table[position * width + k] = Float(sin(Double(position) * omega))
                table[position * width + half + k] = Float(cos(Double(position) * omega))
            }
        }
        return table
    }
}
