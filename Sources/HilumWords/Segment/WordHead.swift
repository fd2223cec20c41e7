import HilumCore

/// The segments of an index; whoever commits blocks stores it in the same transaction.
///
/// ```
/// format 1 · next number 4 · count n · for each segment: number 4 · level 1 · documents n · bytes n · first 4 · last 4
/// ```
///
/// Thread rule: a value type; one owner at a time.
public struct WordHead: Sendable, Equatable {
    private static let format: UInt8 = 1

    /// The segments by their numbers, which is the order in which they were made.
    public private(set) var segments: [WordSegment] = []
    /// The number of the next segment.
    public private(set) var nextNumber: UInt32 = 0

    /// The head of an empty index.
    public init() {}

    /// Reads a head.
    ///
    /// - Throws: `.damagedHead`.
    public init(_ bytes: UnsafeRawBufferPointer) throws(WordsError) {
        var reader = ByteReader(bytes)
        do throws(ByteReader.Malformed) {
            guard try reader.byte() == Self.format else { throw ByteReader.Malformed("its format is unknown") }
            nextNumber = try reader.integer()
            let count = try reader.length()
            guard count <= reader.remaining else { throw ByteReader.Malformed.cutOff }
            for _ in 0..<count { segments.append(try Self.segment(&reader)) }
            guard reader.isAtEnd else { throw ByteReader.Malformed("it is too long") }
            for (one, next) in zip(segments, segments.dropFirst()) where one.number >= next.number {
                throw ByteReader.Malformed("segments are out of order")
            }
            guard segments.last.map({ $0.number < nextNumber }) ?? true else {
                throw ByteReader.Malformed("a segment has a number that was not given yet")
            }
        } catch {
            throw WordsError(.damagedHead(reason: error.reason))
        }
    }

    private static func segment(_ reader: inout ByteReader) throws(ByteReader.Malformed) -> WordSegment {
        let number: UInt32 = try reader.integer()
        let level = try reader.byte()
        let documentCount = try reader.length()
        let byteCount = try reader.length()
        let first: UInt32 = try reader.integer()
        let last: UInt32 = try reader.integer()
        guard first <= last else { throw ByteReader.Malformed("a segment has no documents") }
        return WordSegment(
            number: number, level: level, documentCount: documentCount, byteCount: byteCount, documents: first...last)
    }

    /// The bytes that `init(_:)` reads.
    public var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.byte(Self.format)
        writer.integer(nextNumber)
        writer.length(segments.count)
        for segment in segments {
            writer.integer(segment.number)
            writer.byte(segment.level)
            writer.length(segment.documentCount)
            writer.length(segment.byteCount)
            writer.integer(segment.documents.lowerBound)
            writer.integer(segment.documents.upperBound)
        }
        return writer.bytes
    }

    /// Takes the number of a new segment.
    public mutating func takeNumber() -> UInt32 {
        defer { nextNumber += 1 }
        return nextNumber
    }

    /// Adds a segment whose number `takeNumber` gave.
    public mutating func add(_ segment: WordSegment) {
        precondition(segment.number < nextNumber, "a segment has a number that was not taken")
        let place = segments.firstIndex { $0.number > segment.number } ?? segments.count
        segments.insert(segment, at: place)
    }

    /// Puts the result of a merge in the place of what it was made of.
    ///
    /// - Parameters:
    ///   - merged: nil when none of the documents was left.
    ///   - numbers: of the segments that were merged.
    public mutating func replace(_ numbers: [UInt32], with merged: WordSegment?) {
        segments.removeAll { numbers.contains($0.number) }
        if let merged { add(merged) }
    }
}
