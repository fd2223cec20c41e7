import HilumCore

/// Tells whether the parts of a source are what they were: 16 bytes for each file, by its path, size and time, and 16 for a row.
///
/// With them a source from which a file has left is told from one of which a file has changed. Thread rule: a value.
package struct SourceMarks: Sendable, Equatable {
    static let byteCount = 16

    private var marks: Set<[UInt8]> = []

    package init() {}

    var isEmpty: Bool { marks.isEmpty }

    /// In the order of their bytes.
    var sorted: [[UInt8]] { marks.sorted { $0.lexicographicallyPrecedes($1) } }

    /// Whether there is nothing here that is not there.
    func arePart(of others: SourceMarks) -> Bool { !isEmpty && marks.isSubset(of: others.marks) }

    mutating func insert(_ mark: [UInt8]) { marks.insert(mark) }
    mutating func insert(_ others: SourceMarks) { marks.formUnion(others.marks) }

    /// Marks what these bytes describe.
    mutating func insert(hashOf bytes: [UInt8]) {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        marks.insert(Array(hash.finish().prefix(Self.byteCount)))
    }
}
