/// The key of a block: what its last posting is about. So the block that holds a posting is the first one at or after it.
///
/// ```
/// ┌─────────┬──────┬───┬───────────┬──────────┐
/// │ segment │ term │ 0 │ assertion │ document │    integers most significant byte first; a term holds no zero byte, so that
/// │ 4       │ n    │ 1 │ 1         │ 4        │    the order of the bytes is the order of segment, term, assertion, document
/// └─────────┴──────┴───┴───────────┴──────────┘
/// ```
///
/// Thread rule: a value type.
public struct BlockKey: Sendable, Equatable {
    /// The bytes behind the term.
    private static let tailByteCount = 6
    private static let segmentByteCount = 4

    /// The number of the segment.
    public let segment: UInt32
    /// The last term of the block; empty for the lengths of the documents.
    let term: [UInt8]
    let assertion: UInt8
    let document: UInt32

    init(segment: UInt32, term: [UInt8] = [], assertion: UInt8 = 0, document: UInt32 = 0) {
        self.segment = segment
        self.term = term
        self.assertion = assertion
        self.document = document
    }

    /// Reads a key.
    init(_ bytes: UnsafeRawBufferPointer) throws(WordsError) {
        let termEnd = bytes.count - Self.tailByteCount
        guard termEnd >= Self.segmentByteCount, termEnd - Self.segmentByteCount <= WordScanner.termByteLimit,
            bytes[termEnd] == 0, bytes[termEnd + 1] < UInt8(WordAssertion.count)
        else { throw WordsError.damaged("a key is malformed") }
        // Safety: the guard above shows that the bytes are there; the loads assume no alignment.
        segment = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        term = Array(bytes[Self.segmentByteCount..<termEnd])
        assertion = bytes[termEnd + 1]
        document = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: termEnd + 2, as: UInt32.self))
    }

    /// The bytes of the key.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.segmentByteCount + term.count + Self.tailByteCount)
        withUnsafeBytes(of: segment.bigEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: term)
        bytes.append(0)
        bytes.append(assertion)
        withUnsafeBytes(of: document.bigEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Where the blocks of a segment begin: no key of the segment is smaller.
    ///
    /// - Returns: the key's bytes; the keys of the segment are those from here on for which `belongs` holds.
    public static func start(of segment: UInt32) -> [UInt8] { withUnsafeBytes(of: segment.bigEndian) { Array($0) } }

    /// The number of the segment that a block belongs to, by its key; nil for a key that is too short.
    public static func segment(of key: UnsafeRawBufferPointer) -> UInt32? {
        // Safety: four bytes are there; the load assumes no alignment.
        key.count >= segmentByteCount ? UInt32(bigEndian: key.loadUnaligned(as: UInt32.self)) : nil
    }

    /// Whether a key is that of a block of `segment`.
    public static func belongs(_ key: UnsafeRawBufferPointer, to segment: UInt32) -> Bool {
        self.segment(of: key) == segment
    }

    /// Whether the last posting of the block with key `bytes` is about `term`, so that the next block may go on with it.
    static func ends(_ bytes: UnsafeRawBufferPointer, with term: UnsafeRawBufferPointer) -> Bool {
        bytes.count == segmentByteCount + term.count + tailByteCount
            && ByteOrder.areEqual(
                UnsafeRawBufferPointer(rebasing: bytes[segmentByteCount..<(segmentByteCount + term.count)]), term)
    }
}
