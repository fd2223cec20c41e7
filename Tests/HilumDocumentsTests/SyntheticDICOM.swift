/// A DICOM file made by the test itself: explicit VR, little endian.
struct SyntheticDICOM {
    var transferSyntax = "1.2.840.10008.1.2.1"
    /// By tag; each value with its kind.
    var elements: [UInt32: (kind: String, value: [UInt8])] = [:]

    /// A grey picture of 16-bit samples.
    init(width: Int, height: Int, samples: [UInt16], bitsStored: Int = 16, isSigned: Bool = false) {
        text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.1.1")
        text(0x0008_0018, "UI", "1.2.3.4.5.6")
        text(0x0020_000D, "UI", "1.2.3.4")
        text(0x0028_0004, "CS", "MONOCHROME2")
        let words: [(UInt32, Int)] = [
            (0x0028_0002, 1), (0x0028_0010, height), (0x0028_0011, width), (0x0028_0100, 16),
            (0x0028_0101, bitsStored), (0x0028_0102, bitsStored - 1), (0x0028_0103, isSigned ? 1 : 0),
        ]
        for (tag, word) in words { self.words(tag, "US", [UInt16(word)]) }
        self.words(0x7FE0_0010, "OW", samples)
    }

    /// Tags alone, of this class.
    init(objectClass: String) { text(0x0008_0016, "UI", objectClass) }

    mutating func text(_ tag: UInt32, _ kind: String, _ value: String) {
        var bytes = Array(value.utf8)
        if bytes.count % 2 == 1 { bytes.append(kind == "UI" ? 0 : 32) }
        elements[tag] = (kind, bytes)
    }

    mutating func words(_ tag: UInt32, _ kind: String, _ values: [UInt16]) {
        elements[tag] = (kind, values.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] })
    }

    /// Pixels as one value, padded to an even length.
    mutating func pixels(_ bytes: [UInt8]) {
        elements[0x7FE0_0010] = ("OW", bytes.count % 2 == 0 ? bytes : bytes + [0])
    }

    /// Pixels as fragments, padded to even lengths, after a table of `offsets`.
    mutating func fragments(_ fragments: [[UInt8]], offsets: [UInt32] = []) {
        var bytes = Self.word(0xE000_FFFE) + Self.word(UInt32(4 * offsets.count)) + offsets.flatMap(Self.word)
        for fragment in fragments {
            let padded = fragment.count % 2 == 0 ? fragment : fragment + [0]
            bytes += Self.word(0xE000_FFFE) + Self.word(UInt32(padded.count)) + padded
        }
        elements[0x7FE0_0010] = (Self.fragmented, bytes + Self.word(0xE0DD_FFFE) + Self.word(0))
    }

    /// Stands for `OB` of undefined length.
    private static let fragmented = "OB…"

    /// A lookup table as the one item of a sequence.
    mutating func table(_ tag: UInt32, first: UInt16, bits: UInt16, _ values: [UInt16]) {
        var item = SyntheticDICOM(objectClass: "")
        item.elements = [:]
        item.words(0x0028_3002, "US", [UInt16(truncatingIfNeeded: values.count), first, bits])
        item.words(0x0028_3006, "OW", values)
        let body = item.dataSet
        elements[tag] = ("SQ", Self.word(0xE000_FFFE) + Self.word(UInt32(body.count)) + body)
    }

    /// A sequence of items; of undefined length where that is asked for.
    mutating func sequence(_ tag: UInt32, _ items: [SyntheticDICOM], isOpen: Bool = false) {
        var bytes: [UInt8] = []
        for item in items {
            let body = item.dataSet
            bytes += Self.word(0xE000_FFFE) + Self.word(isOpen ? 0xFFFF_FFFF : UInt32(body.count)) + body
            if isOpen { bytes += Self.word(0xE00D_FFFE) + Self.word(0) }
        }
        if isOpen { bytes += Self.word(0xE0DD_FFFE) + Self.word(0) }
        elements[tag] = (isOpen ? Self.openSequence : "SQ", bytes)
    }

    /// Stands for `SQ` of undefined length.
    private static let openSequence = "SQ…"

    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func element(_ tag: UInt32, _ kind: String, _ value: [UInt8]) -> [UInt8] {
        let (group, number) = (tag >> 16, tag & 0xFFFF)
        if kind == openSequence {
            return word(group | number << 16) + Array("SQ".utf8) + [0, 0, 255, 255, 255, 255] + value
        }
        if kind == fragmented {
            return word(group | number << 16) + Array("OB".utf8) + [0, 0, 255, 255, 255, 255] + value
        }
        var bytes = Self.word(group | number << 16) + Array(kind.utf8)
        if ["OW", "SQ", "OB", "UN", "UT"].contains(kind) {
            bytes += [0, 0] + word(UInt32(value.count))
        } else {
            bytes += word(UInt32(value.count)).prefix(2)
        }
        return bytes + value
    }

    private var dataSet: [UInt8] {
        elements.sorted { $0.key < $1.key }.flatMap { Self.element($0.key, $0.value.kind, $0.value.value) }
    }

    /// The file.
    var bytes: [UInt8] {
        var meta = SyntheticDICOM(objectClass: "")
        meta.elements = [:]
        let objectClass = elements[0x0008_0016]?.value ?? []
        meta.elements[0x0002_0002] = ("UI", objectClass)
        meta.text(0x0002_0003, "UI", "1.2.3.4.5.6")
        meta.text(0x0002_0010, "UI", transferSyntax)
        let body = meta.dataSet
        let length = Self.element(0x0002_0000, "UL", Self.word(UInt32(body.count)))
        return [UInt8](repeating: 0, count: 128) + Array("DICM".utf8) + length + body
            + (transferSyntax.hasSuffix(".99") ? Self.deflated(dataSet) : dataSet)
    }

    /// Deflated, in blocks that are not compressed.
    private static func deflated(_ bytes: [UInt8]) -> [UInt8] {
        var blocks: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 60_000) {
            let part = bytes[start..<min(start + 60_000, bytes.count)]
            let count = UInt32(part.count)
            blocks += [part.endIndex == bytes.count ? 1 : 0] + word(count).prefix(2) + word(~count).prefix(2) + part
        }
        return blocks
    }
}
