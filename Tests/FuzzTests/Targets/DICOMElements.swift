/// Elements of a DICOM file that a test makes: little endian, explicit VR or implicit.
struct DICOMElements {
    private(set) var bytes: [UInt8] = []
    var isExplicit = true

    /// What stands before the elements: the preamble and the meta group.
    static func head(_ syntax: String, objectClass: String = "1.2.840.10008.5.1.4.1.1.1") -> [UInt8] {
        var meta = DICOMElements()
        meta.text(2, 2, "UI", objectClass)
        meta.text(2, 3, "UI", "1.2.3.4")
        meta.text(2, 0x10, "UI", syntax)
        var length = DICOMElements()
        length.add(2, 0, "UL", [UInt8(meta.bytes.count), 0, 0, 0])
        return [UInt8](repeating: 0, count: 128) + Array("DICM".utf8) + length.bytes + meta.bytes
    }

    mutating func add(_ group: UInt16, _ number: UInt16, _ kind: String, _ value: [UInt8]) {
        let padded = value + (value.count % 2 == 0 ? [] : [kind == "UI" ? 0 : 32])
        bytes += Self.word(UInt32(group), count: 2) + Self.word(UInt32(number), count: 2)
        let isLong = ["OB", "OW", "SQ", "UN", "UT"].contains(kind)
        if isExplicit { bytes += Array(kind.utf8) + (isLong ? [0, 0] : []) }
        bytes += Self.word(UInt32(padded.count), count: isLong || !isExplicit ? 4 : 2) + padded
    }

    mutating func text(_ group: UInt16, _ number: UInt16, _ kind: String, _ value: String) {
        add(group, number, kind, Array(value.utf8))
    }

    /// A sequence of `count` items that are alike.
    mutating func items(_ group: UInt16, _ number: UInt16, _ count: Int, _ write: (inout DICOMElements) -> Void) {
        var item = DICOMElements(isExplicit: isExplicit)
        write(&item)
        let head = Self.word(0xE000_FFFE, count: 4) + Self.word(UInt32(item.bytes.count), count: 4)
        add(group, number, "SQ", (0..<count).flatMap { _ in head + item.bytes })
    }

    private static func word(_ value: UInt32, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }
}
