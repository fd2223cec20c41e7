import HilumCore

/// A case of the checkpoint that was removed, or whose entry changed, since the checkpoint.
///
///     0 number (4) · 4 whether there is a new entry (1) · old entry (count, bytes) · new entry (count, bytes)
///
/// It is written in the transaction of the change. These rows and the cases above the watermark are all that happened since the
/// checkpoint, so opening reads no other case.
struct CaseChange: Equatable {
    var number: UInt32
    var old: CaseEntry
    /// Nil when the case was removed.
    var new: CaseEntry?

    init(number: UInt32, old: CaseEntry, new: CaseEntry? = nil) {
        self.number = number
        self.old = old
        self.new = new
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.integer(number)
        writer.byte(new == nil ? 0 : 1)
        for entry in [old, new].compactMap(\.self) {
            let bytes = entry.encoded()
            writer.length(bytes.count)
            writer.raw(bytes)
        }
        return writer.bytes
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws {
        var reader = ByteReader(bytes)
        number = try reader.integer()
        let isReplaced = try reader.byte() == 1
        old = try Self.entry(&reader)
        if isReplaced { new = try Self.entry(&reader) }
        guard reader.isAtEnd else { throw ByteReader.Malformed() }
    }

    private static func entry(_ reader: inout ByteReader) throws -> CaseEntry {
        try reader.raw(try reader.length()).withUnsafeBytes { try CaseEntry(decoding: $0) }
    }
}
