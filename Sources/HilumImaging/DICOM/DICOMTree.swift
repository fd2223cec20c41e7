import CPNG
import HilumCore

/// The elements of a DICOM data set with its sequences, for objects that are text and no picture, such as a structured report.
///
/// It reads implicit and explicit VR in either byte order, and deflated files, up to the last group in which such objects say something.
/// Elements, depth and bytes have bounds, so that a hostile file costs little: nothing is allocated for what a length promises.
/// Thread rule: a value.
package struct DICOMTree: Sendable {
    /// The elements of a data set, or of an item of a sequence.
    package struct Item: Sendable {
        fileprivate(set) var values: [UInt32: ArraySlice<UInt8>] = [:]
        fileprivate(set) var sequences: [UInt32: [Item]] = [:]

        /// The value of an element; nil where there is none.
        package func value(_ tag: UInt32) -> ArraySlice<UInt8>? { values[tag] }
        /// The items of a sequence; none where there is none.
        package func items(_ tag: UInt32) -> [Item] { sequences[tag] ?? [] }
    }

    /// The largest file that is read.
    package static let byteCountLimit = 16 << 20
    private static let elementLimit = 200_000
    private static let depthLimit = 32
    /// The last group that is looked at, outside of sequences.
    private static let lastGroup: UInt32 = 0x0040
    private static let undefinedLength: UInt32 = 0xFFFF_FFFF
    private static let start = 132
    private static let longKinds: Set<[UInt8]> = Set(
        ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"].map { Array($0.utf8) })

    /// The data set itself.
    package private(set) var root = Item()

    private var bytes: [UInt8]
    private var place = start
    private var isExplicit = true
    private var isBigEndian = false
    private var elementCount = 0
    /// Sequences by tag, where the file does not say which elements are some.
    private let sequenceTags: Set<UInt32>

    /// Reads a file.
    ///
    /// - Parameter sequences: the tags of sequences that are looked into; a file of implicit VR does not name them.
    /// - Throws: `truncated`, `corrupt`.
    package init(_ bytes: [UInt8], sequences: Set<UInt32>) throws(ImagingError) {
        self.bytes = bytes
        sequenceTags = sequences
        guard bytes.count >= Self.start, ImageDecoder.format(of: bytes) == .dicom else {
            throw ImagingError(.truncated(format: .dicom))
        }
        // The meta group is explicit and little endian, whatever follows.
        var meta = Item()
        while place + 2 <= self.bytes.count, half(place) == 2 { try readElement(into: &meta, depth: 0, isMeta: true) }
        let syntax = meta.values[DICOMTag.transferSyntax.rawValue] ?? []
        switch String(decoding: syntax.filter { $0 > 32 }, as: UTF8.self) {
        case "1.2.840.10008.1.2": isExplicit = false
        case "1.2.840.10008.1.2.2": isBigEndian = true
        case "1.2.840.10008.1.2.1.99": try inflate()
        default: break
        }
        var item = Item()
        while place < self.bytes.count {
            guard place + 8 <= self.bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
            if half(place) > Self.lastGroup { break }
            try readElement(into: &item, depth: 0)
        }
        root = item
        self.bytes = []
    }

    private mutating func inflate() throws(ImagingError) {
        let inflated = [UInt8](unsafeUninitializedCapacity: Self.byteCountLimit) { buffer, count in
            // Safety: the function writes at most as many bytes as it is told, and says how many.
            count = bytes.withUnsafeBufferPointer { all in
                let rest = UnsafeBufferPointer(rebasing: all[min(place, all.count)...])
                return hilum_inflate(rest.baseAddress, rest.count, buffer.baseAddress, buffer.count)
            }
        }
        guard !inflated.isEmpty, inflated.count < Self.byteCountLimit else {
            throw ImagingError(.corrupt(format: .dicom, reason: "what is deflated in it cannot be read"))
        }
        bytes = inflated
        place = 0
    }

    // MARK: Elements

    private func half(_ place: Int) -> UInt32 {
        let (first, second) = (UInt32(bytes[place]), UInt32(bytes[place + 1]))
        return isBigEndian ? first << 8 | second : second << 8 | first
    }

    private func word(_ place: Int) -> UInt32 {
        isBigEndian ? half(place) << 16 | half(place + 2) : half(place + 2) << 16 | half(place)
    }

    private mutating func readElement(into item: inout Item, depth: Int, isMeta: Bool = false) throws(ImagingError) {
        elementCount += 1
        guard elementCount <= Self.elementLimit else { throw corrupt("it has more than \(Self.elementLimit) elements") }
        guard place + 8 <= bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
        let tag = half(place) << 16 | half(place + 2)
        guard tag >> 16 != 0xFFFE else { throw corrupt("an item stands outside of a sequence") }
        var length = word(place + 4)
        var isSequence = !isExplicit && sequenceTags.contains(tag)
        var isUnknown = false
        place += 8
        if isExplicit || isMeta {
            let kind = Array(bytes[(place - 4)..<(place - 2)])
            guard kind.allSatisfy({ 65...90 ~= $0 }) else { throw corrupt("an element is of no known kind") }
            isSequence = kind == Array("SQ".utf8)
            isUnknown = kind == Array("UN".utf8)
            if Self.longKinds.contains(kind) {
                guard place + 4 <= bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
                length = word(place)
                place += 4
            } else {
                length = half(place - 2)
            }
        }
        if isSequence || length == Self.undefinedLength {
            // A sequence of an unknown kind is written as implicit VR does it.
            let wasExplicit = isExplicit
            if isUnknown { isExplicit = false }
            let items = try readSequence(length, depth: depth)
            isExplicit = wasExplicit
            if sequenceTags.contains(tag) { item.sequences[tag] = items }
            return
        }
        let end = place + Int(length)
        guard end <= bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
        if item.values[tag] == nil { item.values[tag] = bytes[place..<end] }
        place = end
    }

    private mutating func readSequence(_ length: UInt32, depth: Int) throws(ImagingError) -> [Item] {
        guard depth < Self.depthLimit else {
            throw corrupt("its parts are nested deeper than \(Self.depthLimit) levels")
        }
        let isOpen = length == Self.undefinedLength
        let end = isOpen ? bytes.count : place + Int(length)
        guard end <= bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
        var items: [Item] = []
        while place < end {
            guard place + 8 <= bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
            let (tag, itemLength) = (half(place) << 16 | half(place + 2), word(place + 4))
            place += 8
            if tag == 0xFFFE_E0DD, isOpen { return items }
            guard tag == 0xFFFE_E000 else { throw corrupt("a sequence holds something else than items") }
            elementCount += 1
            guard elementCount <= Self.elementLimit else {
                throw corrupt("it has more than \(Self.elementLimit) elements")
            }
            items.append(try readItem(itemLength, depth: depth + 1))
        }
        guard !isOpen else { throw ImagingError(.truncated(format: .dicom)) }
        return items
    }

    private mutating func readItem(_ length: UInt32, depth: Int) throws(ImagingError) -> Item {
        let isOpen = length == Self.undefinedLength
        let end = isOpen ? bytes.count : place + Int(length)
        guard end <= bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
        var item = Item()
        while place < end {
            guard place + 8 <= bytes.count else { throw ImagingError(.truncated(format: .dicom)) }
            if isOpen, half(place) == 0xFFFE, half(place + 2) == 0xE00D {
                place += 8
                return item
            }
            try readElement(into: &item, depth: depth)
        }
        guard !isOpen else { throw ImagingError(.truncated(format: .dicom)) }
        return item
    }

    private func corrupt(_ reason: String) -> ImagingError {
        ImagingError(.corrupt(format: .dicom, reason: reason))
    }
}
