import HilumCore

/// How many masks of each kind were put into a text; nothing else of what was masked is kept anywhere. Thread rule: a value.
public struct MaskCounts: Sendable, Equatable {
    private var counts = [Int](repeating: 0, count: ReportMask.allCases.count)

    /// No masks.
    public init() {}

    /// The masks of a kind.
    public subscript(mask: ReportMask) -> Int {
        get { counts[Self.index(mask)] }
        set { counts[Self.index(mask)] = newValue }
    }

    /// All masks.
    public var total: Int { counts.reduce(0, +) }

    /// Adds the counts of another text.
    public static func += (left: inout MaskCounts, right: MaskCounts) {
        for index in left.counts.indices { left.counts[index] += right.counts[index] }
    }

    private static func index(_ mask: ReportMask) -> Int {
        switch mask {
        case .name: 0
        case .date: 1
        case .number: 2
        case .address: 3
        case .contact: 4
        case .place: 5
        case .age: 6
        }
    }
}
