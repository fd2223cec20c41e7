import HilumIndex

/// The value of each case under a key of which a case has one: what facets under a filter count by.
///
/// The table of postings says which cases have a value; counting among few cases wants it the other way round. Takes 4 bytes a case.
///
/// Thread rule: a value; `Postings` owns it.
struct ValueColumn: Sendable {
    /// By number of a case: 0 without a value, else 1 + the place of the value.
    private var places: [UInt32]
    /// Places below this are those of the table, in the order of the texts; those from it on are `added`.
    private let tableCount: Int
    private var added: [String] = []
    private var placesOfAdded: [String: UInt32] = [:]

    /// - Parameters:
    ///   - table: the key's table.
    ///   - forEachChange: calls its argument with the cases that came since the table was made, and then those that went.
    /// - Returns: nil where a case has two values.
    init?(
        _ table: PostingBlob, added: [String: [UInt32]], removed: [String: [UInt32]]
    ) {
        tableCount = table.count
        places = []
        var isSingle = true
        for index in 0..<table.count {
            let value = UInt32(index + 1)
            let gone = removed.isEmpty ? nil : removed[table.value(index)]
            for number in table.numbers(index) {
                if let gone, gone.containsSorted(number) { continue }
                if !set(value, at: number) { isSingle = false }
            }
        }
        guard isSingle else { return nil }
        for (value, numbers) in added {
            for number in numbers where !insert(number, value, in: table) { return nil }
        }
    }

    var byteCount: Int { 4 * places.count + 48 * added.count }

    /// Notes the value of a case; false where it has another one.
    mutating func insert(_ number: UInt32, _ value: String, in table: PostingBlob) -> Bool {
        if let index = table.index(of: value) { return set(UInt32(index + 1), at: number) }
        let place: UInt32
        if let known = placesOfAdded[value] {
            place = known
        } else {
            added.append(value)
            place = UInt32(tableCount + added.count)
            placesOfAdded[value] = place
        }
        return set(place, at: number)
    }

    mutating func remove(_ number: UInt32) {
        if Int(number) < places.count { places[Int(number)] = 0 }
    }

    private mutating func set(_ place: UInt32, at number: UInt32) -> Bool {
        if Int(number) >= places.count {
            places.append(contentsOf: repeatElement(0, count: Int(number) + 1 - places.count))
        }
        guard places[Int(number)] == 0 || places[Int(number)] == place else { return false }
        places[Int(number)] = place
        return true
    }

    /// How many of `cases` have each value, the `limit` most frequent in order, and how many values any of them has.
    func count(among cases: ItemSet, limit: Int, in table: PostingBlob) -> (values: [FacetValue], distinctCount: Int) {
        var counts = [UInt32](repeating: 0, count: tableCount + added.count + 1)
        counts.withUnsafeMutableBufferPointer { counts in
            places.withUnsafeBufferPointer { places in
                cases.words.withUnsafeBufferPointer { words in
                    for index in 0..<min(words.count, (places.count + 63) / 64) {
                        var rest = words[index]
                        while rest != 0 {
                            let number = index * 64 + rest.trailingZeroBitCount
                            rest &= rest - 1
                            // A case that came after the column ends has no value in it; place 0 counts those without one.
                            if number < places.count { counts[Int(places[number])] += 1 }
                        }
                    }
                }
            }
        }
        var best = Best(limit: limit)
        var distinctCount = 0
        func text(_ place: Int) -> String {
            place <= tableCount ? table.value(place - 1) : added[place - 1 - tableCount]
        }
        for place in 1..<max(1, counts.count) where counts[place] > 0 {
            distinctCount += 1
            best.offer((counts[place], UInt32(place))) { left, right in
                // The texts of the table ascend.
                max(left, right) <= tableCount ? left < right : text(Int(left)) < text(Int(right))
            }
        }
        let values = best.inOrder { left, right in
            max(left, right) <= tableCount ? left < right : text(Int(left)) < text(Int(right))
        }
        return (values.map { FacetValue(text(Int($0.place)), Int($0.count)) }, distinctCount)
    }

    /// The most frequent values, in a binary heap with the least of them on top.
    private struct Best {
        let limit: Int
        var heap: [(count: UInt32, place: UInt32)] = []

        init(limit: Int) { self.limit = limit }

        /// - Parameter precedes: decides between places of equal count.
        mutating func offer(_ item: (count: UInt32, place: UInt32), _ precedes: (UInt32, UInt32) -> Bool) {
            func isBetter(_ left: (count: UInt32, place: UInt32), _ right: (count: UInt32, place: UInt32)) -> Bool {
                left.count != right.count ? left.count > right.count : precedes(left.place, right.place)
            }
            if heap.count < limit {
                heap.append(item)
                var child = heap.count - 1
                while child > 0, isBetter(heap[(child - 1) / 2], heap[child]) {
                    heap.swapAt(child, (child - 1) / 2)
                    child = (child - 1) / 2
                }
                return
            }
            guard let least = heap.first, isBetter(item, least) else { return }
            heap[0] = item
            var parent = 0
            while 2 * parent + 1 < heap.count {
                var child = 2 * parent + 1
                if child + 1 < heap.count, isBetter(heap[child], heap[child + 1]) { child += 1 }
                guard isBetter(heap[parent], heap[child]) else { break }
                heap.swapAt(parent, child)
                parent = child
            }
        }

        func inOrder(_ precedes: (UInt32, UInt32) -> Bool) -> [(count: UInt32, place: UInt32)] {
            heap.sorted { left, right in
                left.count != right.count ? left.count > right.count : precedes(left.place, right.place)
            }
        }
    }
}
