/// A table that maps stored values, or those of another table, to new ones (PS3.3 C.11.1 and C.11.2).
struct LookupTable: Sendable, Equatable {
    /// The value that the first entry stands for; smaller ones take it too.
    var first: Int
    /// Bits of an entry.
    var bits: Int
    var values: [UInt16]

    /// The entry of a value.
    func callAsFunction(_ value: Double) -> Double {
        let place = min(max(value.rounded() - Double(first), 0), Double(values.count - 1))
        return Double(values[Int(place)])
    }

    /// The largest value that an entry can have.
    var top: Double { Double((1 << bits) - 1) }
}
