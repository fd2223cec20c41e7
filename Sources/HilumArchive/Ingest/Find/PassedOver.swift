/// What a source holds that is no case, counted by kind.
public struct PassedOver: Sendable, Equatable {
    /// How many files and folders of each kind.
    public private(set) var counts: [String: Int] = [:]
    /// Folders that could not be read, at most `placeLimit`.
    public private(set) var unreadable: [String] = []
    /// Files and folders that differ from another one only in how Unicode writes their names, at most `placeLimit`.
    public private(set) var twins: [String] = []

    /// Files of which somebody may miss what they hold, and why they are no part of a case, at most `placeLimit` of each kind.
    public private(set) var lost: [Lost] = []

    /// Records that cannot be read; their cases are taken without what they say.
    public private(set) var brokenRecords: [String] = []

    /// A file that is no part of a case.
    public struct Lost: Sendable, Equatable {
        /// The kind under which it is counted.
        public let reason: String
        /// Its path.
        public let place: String
    }

    static let placeLimit = 20

    /// Nothing yet.
    public init() {}

    mutating func add(_ reason: String, _ count: Int = 1) {
        if count > 0 { counts[reason, default: 0] += count }
    }

    mutating func addLost(_ reason: String, _ place: String) {
        add(reason)
        note(Lost(reason: reason, place: place))
    }

    mutating func addBrokenRecord(_ place: String) {
        add("record that cannot be read")
        brokenRecords.append(place)
    }

    private mutating func note(_ file: Lost) {
        if lost.count(where: { $0.reason == file.reason }) < Self.placeLimit { lost.append(file) }
    }

    mutating func addUnreadable(_ folder: String) {
        add("unreadable folder")
        if unreadable.count < Self.placeLimit { unreadable.append(folder) }
    }

    mutating func addTwin(_ place: String) {
        add(NameTwins.reason)
        if twins.count < Self.placeLimit { twins.append(place) }
    }

    mutating func add(_ other: PassedOver) {
        for (reason, count) in other.counts { add(reason, count) }
        unreadable += other.unreadable.prefix(max(0, Self.placeLimit - unreadable.count))
        for file in other.lost { note(file) }
        brokenRecords += other.brokenRecords
        twins += other.twins.prefix(max(0, Self.placeLimit - twins.count))
    }

    /// The kinds, the most frequent first.
    public var sorted: [(reason: String, count: Int)] {
        counts.map { ($0.key, $0.value) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }
}
