import Foundation
import HilumCore

/// Tells whether the parts of a source are what they were: 16 bytes for each file, by its path, size and time, and 16 for a row.
///
/// With them a source from which a file has left is told from one of which a file has changed. Thread rule: a value.
package struct SourceMarks: Sendable, Equatable {
    static let byteCount = 16

    /// Stands among the marks of a journal entry for `isLoose`; no hash is 0.
    private static let loose = [UInt8](repeating: 0, count: byteCount)

    private var marks: Set<[UInt8]> = []
    /// Whether the case also holds what was never seen together with these parts: a text came by itself, and the images stayed.
    package var isLoose = false

    package init() {}

    var isEmpty: Bool { marks.isEmpty }

    /// In the order of their bytes.
    var sorted: [[UInt8]] { marks.sorted { $0.lexicographicallyPrecedes($1) } }

    /// What a journal entry keeps.
    var stored: [[UInt8]] { (isLoose ? [Self.loose] : []) + sorted }

    /// Takes what a journal entry keeps.
    mutating func insert(stored mark: [UInt8]) { if mark == Self.loose { isLoose = true } else { marks.insert(mark) } }

    /// Whether a part is in both.
    func hasPart(of others: SourceMarks) -> Bool { !marks.isDisjoint(with: others.marks) }

    /// Whether there is nothing here that is not there.
    func arePart(of others: SourceMarks) -> Bool { !isEmpty && marks.isSubset(of: others.marks) }

    /// Whether all of these are here.
    func holds(all others: [[UInt8]]) -> Bool { marks.isSuperset(of: others) }

    mutating func insert(_ mark: [UInt8]) { marks.insert(mark) }
    mutating func insert(_ others: SourceMarks) {
        marks.formUnion(others.marks)
        isLoose = isLoose || others.isLoose
    }

    /// Marks a file as it is; one that is not there has no mark.
    mutating func insert(file path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        var writer = ByteWriter()
        writer.text(path)
        writer.integer(Int64(status.st_size))
        writer.integer(Int64(status.st_mtim.tv_sec))
        writer.integer(Int64(status.st_mtim.tv_nsec))
        insert(hashOf: writer.bytes)
    }

    /// Marks what these bytes describe.
    mutating func insert(hashOf bytes: [UInt8]) {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        marks.insert(Array(hash.finish().prefix(Self.byteCount)))
    }
}
