/// Where a phrase may begin: document, position, section and assertion in one number, in this order of significance.
enum PhrasePlace {
    /// No section and assertion.
    static let none = UInt8.max
    private static let payloadBitCount: UInt64 = 4

    static func make(_ document: UInt32, _ position: Int, section: Int, assertion: Int) -> UInt64 {
        UInt64(document) << 32 | UInt64(position) << payloadBitCount | UInt64(section) << 2 | UInt64(assertion)
    }

    static func document(_ place: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: place >> 32) }
    static func section(_ place: UInt64) -> Int { Int(place >> 2 & 3) }
    static func assertion(_ place: UInt64) -> Int { Int(place & 3) }

    /// Whether two are the same position of the same document.
    static func areLevel(_ one: UInt64, _ other: UInt64) -> Bool { one >> payloadBitCount == other >> payloadBitCount }

    /// A place with what another word has there: the less weighted assertion of both, and the section of the one that counts.
    static func joined(
        _ place: UInt64, _ payload: UInt8, takesSection: Bool, _ assertions: AssertionWeights
    ) -> UInt64 {
        let section = takesSection ? Int(payload >> 2) : self.section(place)
        let (mine, other) = (assertion(place), Int(payload & 3))
        let assertion = assertions[other] < assertions[mine] ? other : mine
        return place & ~0xF | UInt64(section << 2 | assertion)
    }
}

/// Places from several lists, each nearly in order, and their merger into one.
///
/// A list is in the order of documents; only the positions of one document may come section by section.
/// Thread rule: a value type; one owner at a time.
struct PlaceRuns {
    private var places: [UInt64] = []
    /// Where each run ends.
    private var ends: [Int] = []

    /// Appends a place to the run, behind all smaller ones.
    @inline(__always)
    mutating func append(_ place: UInt64) {
        places.append(place)
        let start = ends.last ?? 0
        guard places.count - start > 1, places[places.count - 2] > place else { return }
        var index = places.count - 1
        while index > start && places[index - 1] > place {
            places[index] = places[index - 1]
            index -= 1
        }
        places[index] = place
    }

    /// What is appended next may be smaller than all before.
    mutating func endRun() { if places.count > ends.last ?? 0 { ends.append(places.count) } }

    /// All places, ascending. Complexity: O(n log runs).
    consuming func merged() -> [UInt64] {
        while ends.count > 1 {
            var next: [UInt64] = []
            next.reserveCapacity(places.count)
            var nextEnds: [Int] = []
            var start = 0
            for pair in stride(from: 0, to: ends.count, by: 2) {
                let middle = ends[pair]
                let end = pair + 1 < ends.count ? ends[pair + 1] : middle
                Self.merge(places, start..<middle, middle..<end, into: &next)
                nextEnds.append(end)
                start = end
            }
            (places, ends) = (next, nextEnds)
        }
        return places
    }

    private static func merge(_ places: [UInt64], _ left: Range<Int>, _ right: Range<Int>, into next: inout [UInt64]) {
        if right.isEmpty || left.isEmpty || places[right.lowerBound] >= places[left.upperBound - 1] {
            next.append(contentsOf: places[left.lowerBound..<right.upperBound])
            return
        }
        var (i, j) = (left.lowerBound, right.lowerBound)
        while i < left.upperBound && j < right.upperBound {
            let takesLeft = places[i] <= places[j]
            next.append(takesLeft ? places[i] : places[j])
            if takesLeft { i += 1 } else { j += 1 }
        }
        next.append(contentsOf: places[i..<left.upperBound])
        next.append(contentsOf: places[j..<right.upperBound])
    }
}
