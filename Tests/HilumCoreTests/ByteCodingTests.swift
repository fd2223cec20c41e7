import Testing

@testable import HilumCore

/// A few values of each kind, written.
private func written() -> [UInt8] {
    var writer = ByteWriter()
    writer.byte(7)
    writer.integer(UInt32(0xDEAD_BEEF))
    writer.integer(Int64(-2))
    for length in [0, 127, 128, 300, 1 << 41] { writer.length(length) }
    writer.text("é胸")
    writer.optionalText(nil)
    writer.optionalText("")
    writer.raw([1, 2, 3])
    return writer.bytes
}

private func expectWritten(_ reader: inout ByteReader) throws {
    #expect(try reader.byte() == 7)
    #expect(try reader.integer(UInt32.self) == 0xDEAD_BEEF)
    #expect(try reader.integer(Int64.self) == -2)
    for length in [0, 127, 128, 300, 1 << 41] { #expect(try reader.length() == length) }
    #expect(try reader.text() == "é胸")
    #expect(try reader.optionalText() == nil)
    #expect(try reader.optionalText() == "")
    #expect(try reader.raw(3) == [1, 2, 3])
    #expect(reader.isAtEnd && reader.remaining == 0)
}

@Suite struct ByteCodingTests {
    @Test func whatIsWrittenIsReadAgain() throws {
        let bytes = written()
        try bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            #expect(reader.remaining == bytes.count)
            try expectWritten(&reader)
        }
    }

    @Test("the bytes may come in pieces of any size", arguments: [1, 2, 3, 7, 1_000])
    func piecesAreJoined(_ size: Int) throws {
        let bytes = written()
        var start = 0
        var reader = ByteReader(byteCount: bytes.count) { use in
            Array(bytes[start..<min(start + size, bytes.count)]).withUnsafeBytes(use)
            start += size
        }
        try expectWritten(&reader)
    }

    @Test func theBytesAreThoseOfTheStore() {
        var writer = ByteWriter()
        writer.integer(UInt16(0x0102))
        writer.length(300)
        writer.text("ab")
        writer.optionalText(nil)
        #expect(writer.bytes == [0x02, 0x01, 0xAC, 0x02, 2, 0x61, 0x62, 0])
    }

    @Test func bytesThatAreCutOffAnywhereAreAnErrorAndNotACrash() {
        let bytes = written()
        for count in 0..<bytes.count {
            bytes[..<count].withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                #expect(throws: ByteReader.Malformed.self) { try expectOnlyReads(&reader) }
            }
            var reader = ByteReader(byteCount: count) { use in Array(bytes[..<count]).withUnsafeBytes(use) }
            #expect(throws: ByteReader.Malformed.self) { try expectOnlyReads(&reader) }
        }
    }

    private func expectOnlyReads(_ reader: inout ByteReader) throws {
        _ = try reader.byte()
        _ = try reader.integer(UInt32.self)
        _ = try reader.integer(Int64.self)
        for _ in 0..<5 { _ = try reader.length() }
        _ = try reader.text()
        _ = try reader.optionalText()
        _ = try reader.optionalText()
        _ = try reader.raw(3)
    }

    @Test func lengthsTextsAndPiecesThatCannotBeAreRefused() {
        for bytes in [
            [UInt8](repeating: 0xFF, count: 9), [3, 0x61], [2, 0xFF, 0xFE], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F, 0x61],
        ] {
            bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                #expect(throws: ByteReader.Malformed.self) { try reader.text() }
            }
        }
        // What is read has one form, so that it is written as it was read.
        for (bytes, value) in [([0] as [UInt8], 0), ([0x7F], 127), ([0x80, 0x01], 128), ([0xFF, 0x7F], 16_383)] {
            bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                let found = try? reader.length()
                #expect(found == value)
            }
        }
        for bytes in [[0x80, 0x00], [0xFF, 0x00], [0x80, 0x80, 0x00], [0xFF, 0xFF, 0xFF, 0x00]] as [[UInt8]] {
            bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                let error = #expect(throws: ByteReader.Malformed.self) { try reader.length() }
                #expect(error?.reason == "a length has a byte too many")
            }
        }
        [2, 1, 0x61].withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            #expect(throws: ByteReader.Malformed.self) { try reader.optionalText() }
        }
        struct Broken: Error, CustomStringConvertible { let description = "the page is broken" }
        var broken = ByteReader(byteCount: 8) { _ in throw Broken() }
        let error = #expect(throws: ByteReader.Malformed.self) { try broken.byte() }
        #expect(error?.reason == "the page is broken")
        for piece in [[], [UInt8](repeating: 0, count: 9)] {
            var wrong = ByteReader(byteCount: 8) { use in piece.withUnsafeBytes(use) }
            #expect(throws: ByteReader.Malformed.self) { try wrong.byte() }
        }
    }
}
