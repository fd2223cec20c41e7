import HilumCore

/// The generations of an archive: entry `generations` of the table `meta`, which is missing as long as there was only the first.
///
///     0 layout (1), currently 1 · 1 the next number (4) · 5 count (1), each: `GenerationRecord`
///
/// Numbers are never used again, so what a crash leaves of an older generation cannot pass for a part of a newer one.
struct GenerationTable: Equatable, Sendable {
    static let name = "generations"
    /// The model's folder of the first generation.
    static let firstFolder = "model"

    var nextNumber: UInt32 = 2
    var records: [GenerationRecord] = []

    init() {}

    /// The model's folder of a generation.
    static func folder(of number: UInt32) -> String { number == 1 ? firstFolder : "\(firstFolder).\(number)" }

    subscript(role: GenerationRecord.Role) -> GenerationRecord? { records.first { $0.role == role } }

    /// The generation beside the one that is searched: made, complete, or kept.
    var beside: GenerationRecord? { records.first { $0.role == .next || $0.role == .kept } }

    mutating func set(_ record: GenerationRecord) {
        records.removeAll { $0.number == record.number }
        records.append(record)
        records.sort { $0.number < $1.number }
    }

    /// Whether keys of `generation` lie behind all others, so that its vectors can be appended.
    func isNewest(_ generation: UInt32) -> Bool { records.allSatisfy { $0.number <= generation } }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(1)
        writer.integer(nextNumber)
        writer.byte(UInt8(clamping: records.count))
        for record in records { record.write(to: &writer) }
        return writer.bytes
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws {
        var reader = ByteReader(bytes)
        guard try reader.byte() == 1 else { throw ByteReader.Malformed("a table of generations of a later release") }
        nextNumber = try reader.integer()
        for _ in 0..<(try reader.byte()) { records.append(try GenerationRecord(&reader)) }
        guard reader.isAtEnd else { throw ByteReader.Malformed() }
    }
}
