import HilumIndex

/// Numbers of cases: a list of the few, or one bit a case where that takes less.
///
/// Thread rule: a value.
enum CaseNumbers: Sendable {
    /// Ascending.
    case list([UInt32])
    case bits(ItemSet)

    /// - Parameter numbers: ascending.
    init(_ numbers: [UInt32]) {
        self = .list(numbers)
        settle()
    }

    var count: Int {
        switch self {
        case .list(let numbers): numbers.count
        case .bits(let set): set.count
        }
    }

    /// Whether a number is among them.
    func contains(_ number: UInt32) -> Bool {
        switch self {
        case .list(let numbers):
            let place = numbers.partitioningIndex { $0 >= number }
            return place < numbers.count && numbers[place] == number
        case .bits(let set): return set.contains(number)
        }
    }

    /// The same as bits.
    var set: ItemSet {
        switch self {
        case .list(let numbers):
            var set = ItemSet()
            set.insert(contentsOf: numbers)
            return set
        case .bits(let set): return set
        }
    }

    /// How many of them are in a set.
    func count(in other: ItemSet) -> Int {
        switch self {
        case .list(let numbers): numbers.count { other.contains($0) }
        case .bits(let set): set.intersectionCount(other)
        }
    }

    mutating func insert(_ number: UInt32) {
        switch self {
        case .bits(var set):
            // So that the bits have one owner and are changed in place.
            self = .list([])
            set.insert(number)
            self = .bits(set)
        case .list(var numbers):
            self = .list([])
            // New cases have the largest numbers.
            var place = numbers.count
            while place > 0, numbers[place - 1] >= number { place -= 1 }
            if place == numbers.count || numbers[place] != number { numbers.insert(number, at: place) }
            self = .list(numbers)
            settle()
        }
    }

    mutating func remove(_ number: UInt32) {
        switch self {
        case .bits(var set):
            self = .list([])
            set.remove(number)
            self = .bits(set)
        case .list(var numbers):
            self = .list([])
            let place = numbers.partitioningIndex { $0 >= number }
            if place < numbers.count, numbers[place] == number { numbers.remove(at: place) }
            self = .list(numbers)
        }
    }

    /// A number takes 32 bits in a list.
    private mutating func settle() {
        guard case .list(let numbers) = self, let last = numbers.last, 32 * numbers.count > Int(last) + 64 else {
            return
        }
        self = .bits(set)
    }
}
