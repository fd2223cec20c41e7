/// How far a copy has followed an archive: CREATED/GENERATION/NEXT/DELETIONS/UPDATES.
///
/// All of it is in the archive's own table `meta`, so a snapshot knows where it stands. Thread rule: a value type.
public struct ArchivePosition: Sendable, Equatable {
    /// When the archive was made; copies share it.
    public var created: String
    /// Of the vectors that are searched.
    public var generation: UInt32
    /// Cases below this number were seen.
    public var next: UInt32
    /// Cases that were replaced or deleted since the archive was made.
    public var deletions: Int
    /// Changes of cases that kept their number.
    public var updates: Int

    init(created: String, generation: UInt32, next: UInt32, deletions: Int, updates: Int) {
        self.created = created
        self.generation = generation
        self.next = next
        self.deletions = deletions
        self.updates = updates
    }

    /// Reads `text`; nil where it is no position.
    public init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == 5, let generation = UInt32(parts[1]), let next = UInt32(parts[2]), next > 0,
            let deletions = Int(parts[3]), let updates = Int(parts[4]), deletions >= 0, updates >= 0
        else { return nil }
        self.init(
            created: parts[0], generation: generation, next: next, deletions: deletions, updates: updates)
    }

    /// As it is written.
    public var text: String { "\(created)/\(generation)/\(next)/\(deletions)/\(updates)" }
}

/// What came between two positions of an archive.
///
/// New cases come in the order of their numbers, and what left or changed with the last of them.
public struct ArchiveChanges: Sendable {
    /// A case as the store holds it.
    public struct Item: Sendable {
        /// Of the case, in the archive and in its copies.
        public var number: UInt32
        /// The bytes of its entry.
        public var entry: [UInt8]
        /// Nil where it has none, and for a case that only changed.
        public var report: String?
        /// By image; empty for a case that only changed.
        public var imageVectors: [[Float]] = []
        /// Nil where it has none, and for a case that only changed.
        public var reportVector: [Float]?
        /// By image: the bytes that the archive keeps; nil for one that lies elsewhere or is too large to be sent.
        public var kept: [[UInt8]?] = []

        /// A case.
        public init(number: UInt32, entry: [UInt8]) {
            self.number = number
            self.entry = entry
        }
    }

    /// New cases, and those that changed.
    public var items: [Item] = []
    /// Numbers of cases that are gone.
    public var left: [UInt32] = []
    /// Names of cases that were deleted, in the quarantine: what was set aside of them goes too, and what was decided.
    public var forgotten: [String] = []
    /// Whether there is more.
    public var hasMore = false
    /// Where a copy stands that has them.
    public var position: ArchivePosition
    /// How many numbers of cases a copy lacks then.
    public var behind = 0

    /// Nothing but a position.
    public init(position: ArchivePosition) { self.position = position }
}

extension ArchiveChanges {
    /// The names of what somebody deleted at the leader and has not stored again (`Store.quarantineName`).
    ///
    /// - Parameter entries: of `items`.
    func deletedByHand(_ entries: [CaseEntry], _ store: Store) throws -> Set<String> {
        var names = Set(forgotten)
        guard !names.isEmpty else { return [] }
        for entry in entries { names.remove(try store.quarantineName(of: entry.id)) }
        return names
    }
}
