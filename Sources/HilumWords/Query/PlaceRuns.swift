/// Places from several lists, each in order, and their merger into one.
///
/// Thread rule: a value type; one owner at a time.
struct PlaceRuns {
    private var places: [UInt64] = []
    /// Where each run ends.
    private var ends: [Int] = []

    /// Adds the places that `body` writes, ascending.
    ///
    /// - Parameters:
    ///   - count: how many at most.
    ///   - body: gets room for as many and returns how many it wrote.
    mutating func addRun(
        atMost count: Int, _ body: (UnsafeMutableBufferPointer<UInt64>) throws(WordsError) -> Int
    ) throws(WordsError) {
        let start = places.count
        places.append(contentsOf: repeatElement(0, count: count))
        let written = try places.withUnsafeMutableBufferPointer { places throws(WordsError) in
            try body(UnsafeMutableBufferPointer(rebasing: places[start...]))
        }
        places.removeLast(count - written)
        if written > 0 { ends.append(places.count) }
    }

    /// All places, ascending. Complexity: O(n log runs).
    consuming func merged() -> [UInt64] {
        while ends.count > 1 {
            let (before, runs) = (places, ends)
            ends = []
            places = Array(unsafeUninitializedCapacity: before.count) { places, count in
                var start = 0
                for pair in stride(from: 0, to: runs.count, by: 2) {
                    let middle = runs[pair]
                    let end = pair + 1 < runs.count ? runs[pair + 1] : middle
                    Self.merge(before.span, start..<middle, middle..<end, into: places)
                    ends.append(end)
                    start = end
                }
                count = before.count
            }
        }
        return places
    }

    /// Merges two neighbouring runs of `places` into the same place of `merged`.
    private static func merge(
        _ places: Span<UInt64>, _ left: Range<Int>, _ right: Range<Int>, into merged: UnsafeMutableBufferPointer<UInt64>
    ) {
        var (i, j) = (left.lowerBound, right.lowerBound)
        for place in left.lowerBound..<right.upperBound {
            let takesLeft = j == right.upperBound || (i < left.upperBound && places[i] <= places[j])
            // Safety: `merged` is as long as `places`.
            merged.initializeElement(at: place, to: takesLeft ? places[i] : places[j])
            if takesLeft { i += 1 } else { j += 1 }
        }
    }
}
