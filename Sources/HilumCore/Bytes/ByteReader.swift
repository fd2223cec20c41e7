/// Reads what `ByteWriter` wrote. Every read checks that the bytes are there, so that damaged bytes are an error and
/// never a crash.
///
/// The bytes lie in memory (`init(_:)`), or they come in pieces, so that not all of them are in memory at once
/// (`init(byteCount:next:)`).
///
///     piece  piece  piece …            window: the piece that is read now, after what was left of the one before
///            └ window ┘
///              ↑ offset
///
/// The fast reads are inlined into other modules: an index of 200,000 nodes has about 7 million links to read when it
/// opens.
/// Thread rule: a value type; one owner at a time. The bytes given to `init(_:)` must outlive the reader.
public struct ByteReader {
    /// The bytes end early or cannot be what was written.
    public struct Malformed: Error, CustomStringConvertible, Sendable {
        /// What is wrong, in a few words; holds none of the bytes.
        public let reason: String

        /// - Parameter reason: a few words without a full stop.
        public init(_ reason: String = "the bytes are malformed") { self.reason = reason }

        /// The reason.
        public var description: String { reason }

        /// The bytes end before the value does.
        public static let cutOff = Malformed("cut off")
    }

    /// The largest coded length has so many bits.
    static let lengthBitCount: UInt64 = 42

    /// Owns the window of a reader whose bytes come in pieces.
    @usableFromInline
    final class Piece {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ left: UnsafeRawBufferPointer, _ more: UnsafeRawBufferPointer) {
            // A little longer, for what is left of the next one.
            bytes = .allocate(byteCount: left.count + more.count + 4096, alignment: 16)
            // Safety: `bytes` has room for both, one after the other.
            UnsafeMutableRawBufferPointer(rebasing: bytes[..<left.count]).copyMemory(from: left)
            UnsafeMutableRawBufferPointer(rebasing: bytes[left.count..<(left.count + more.count)]).copyMemory(
                from: more)
        }

        deinit { bytes.deallocate() }
    }

    /// Safety: belongs to the caller of `init(_:)`, or to `piece`.
    @usableFromInline var window: UnsafeRawBufferPointer
    @usableFromInline var offset = 0
    private var piece: Piece?
    /// Bytes of the pieces that are still to come.
    @usableFromInline var laterByteCount = 0
    private var next: PieceSource = { $0(UnsafeRawBufferPointer(start: nil, count: 0)) }

    /// Lends the next piece to its argument, once.
    public typealias PieceSource = (_ use: (UnsafeRawBufferPointer) -> Void) throws -> Void

    /// A reader of bytes that outlive it.
    public init(_ bytes: UnsafeRawBufferPointer) { window = bytes }

    /// A reader of bytes that come in pieces.
    ///
    /// - Parameters:
    ///   - byteCount: of all pieces.
    ///   - next: lends the pieces in order; what it throws is thrown as `Malformed` with its description.
    public init(byteCount: Int, next: @escaping PieceSource) {
        window = UnsafeRawBufferPointer(start: nil, count: 0)
        laterByteCount = byteCount
        self.next = next
    }

    /// Bytes that were not read yet.
    @inlinable public var remaining: Int { window.count - offset + laterByteCount }

    /// Whether every byte was read.
    @inlinable public var isAtEnd: Bool { remaining == 0 }

    /// Makes sure that `count` bytes lie in the window from `offset` on.
    @usableFromInline
    mutating func fetch(_ count: Int) throws(Malformed) {
        while window.count - offset < count {
            guard laterByteCount > 0 else { throw .cutOff }
            let next = self.next
            var byteCount = 0
            do {
                try next { more in
                    byteCount = more.count
                    if byteCount <= laterByteCount { join(more) }
                }
            } catch { throw Malformed("\(error)") }
            guard byteCount > 0 && byteCount <= laterByteCount else { throw Malformed("a piece has another length") }
            laterByteCount -= byteCount
        }
    }

    /// Puts a piece behind what is left of the window, into the same memory where it has the room: a piece of its own for each would
    /// cost a page fault for every page.
    private mutating func join(_ more: UnsafeRawBufferPointer) {
        let left = UnsafeRawBufferPointer(rebasing: window[offset...])
        let byteCount = left.count + more.count
        if isKnownUniquelyReferenced(&piece), let room = piece?.bytes, room.count >= byteCount {
            // Safety: both parts lie inside of `room`; the first may overlap itself, which `copyMemory` allows.
            UnsafeMutableRawBufferPointer(rebasing: room[..<left.count]).copyMemory(from: left)
            UnsafeMutableRawBufferPointer(rebasing: room[left.count..<byteCount]).copyMemory(from: more)
            window = UnsafeRawBufferPointer(rebasing: room[..<byteCount])
        } else {
            let joined = Piece(left, more)
            window = UnsafeRawBufferPointer(rebasing: joined.bytes[..<byteCount])
            piece = joined
        }
        offset = 0
    }

    /// The next byte.
    @inlinable public mutating func byte() throws(Malformed) -> UInt8 {
        if offset >= window.count { try fetch(1) }
        defer { offset += 1 }
        return window[offset]
    }

    /// The next integer, in as many bytes as its type has.
    @inlinable
    public mutating func integer<Number: FixedWidthInteger & BitwiseCopyable>(
        _: Number.Type = Number.self
    ) throws(Malformed) -> Number {
        let byteCount = MemoryLayout<Number>.size
        if window.count - offset < byteCount { try fetch(byteCount) }
        defer { offset += byteCount }
        // Safety: the bytes are in the window; no alignment is assumed.
        return Number(littleEndian: window.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    /// Lends the next `count` bytes, at any alignment; they must not leave `body`.
    @inlinable
    public mutating func withBytes<Result>(
        _ count: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(Malformed) -> Result {
        body(try lend(count))
    }

    /// The next `count` bytes, at any alignment, as they lie in the reader: they hold until its next read.
    @inlinable
    public mutating func lend(_ count: Int) throws(Malformed) -> UnsafeRawBufferPointer {
        guard count >= 0 else { throw .cutOff }
        if window.count - offset < count { try fetch(count) }
        let start = offset
        offset += count
        return UnsafeRawBufferPointer(rebasing: window[start..<(start + count)])
    }

    /// The next `count` bytes.
    public mutating func raw(_ count: Int) throws(Malformed) -> [UInt8] {
        guard count <= remaining else { throw .cutOff }
        return try withBytes(count) { Array($0) }
    }

    /// The next length. It has one form: one with more bytes than `ByteWriter` takes is refused.
    public mutating func length() throws(Malformed) -> Int {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: Self.lengthBitCount, by: 7) {
            let next = try byte()
            value |= UInt64(next & 127) << shift
            guard next < 128 else { continue }
            guard next > 0 || shift == 0 else { throw Malformed("a length has a byte too many") }
            return Int(value)
        }
        throw Malformed("a length is too long")
    }

    /// The next text.
    public mutating func text() throws(Malformed) -> String {
        let count = try length()
        guard count <= remaining else { throw .cutOff }
        guard let text = try withBytes(count, { String(validating: $0, as: UTF8.self) }) else {
            throw Malformed("a text is not UTF-8")
        }
        return text
    }

    /// The next text or nil.
    public mutating func optionalText() throws(Malformed) -> String? {
        switch try byte() {
        case 0: nil
        case 1: try text()
        default: throw Malformed("a text is neither there nor missing")
        }
    }
}
