import CPNG
import HilumCore

/// The tags at the beginning of a DICOM file, read without the library that decodes it and without its pixels.
///
/// Finding cases takes the study of every file of a folder, so this reads 64 KiB and starts no process. Only where the tags end
/// further behind, as after a preview or private data, it reads on, up to more than an archive takes of a file. It knows implicit and explicit VR in either byte order, and
/// deflated files. Thread rule: a value.
package struct DICOMHeader: Sendable, Equatable {
    /// What the tags say.
    package let description: DICOMDescription
    /// The pixels of one frame; 0 where the tags do not say.
    package let pixelCount: Int
    /// What the object is, if it holds no picture.
    package let reasonToRefuse: String?
    /// Whether every tag was read. Without that a file that names no study may still have one.
    package let isComplete: Bool

    /// As much of a file as is read, and then, while its tags go on. The last one is beyond the largest file that is taken.
    private static let byteCounts = [64 << 10, 1 << 20, 16 << 20, 65 << 20]

    /// The header of the file at `path`; nil if it is no DICOM file or cannot be read.
    package init?(path: String) { self.init { FileHead.read(path, byteCount: $0) } }

    /// The header of the file that begins with `bytes`; nil if it is no DICOM file.
    package init?(_ bytes: [UInt8]) { self.init { Array(bytes.prefix($0)) } }

    /// - Parameters:
    ///   - byteCounts: as much of a file is read, one after the other.
    ///   - head: as many bytes of a file, or all that it has.
    init?(byteCounts: [Int] = DICOMHeader.byteCounts, _ head: (_ byteCount: Int) -> [UInt8]?) {
        var walk: Walk?
        for byteCount in byteCounts {
            guard let bytes = head(byteCount), ImageDecoder.format(of: bytes) == .dicom else { break }
            var next = Walk(bytes, isWhole: bytes.count < byteCount, deflatedByteCount: byteCount)
            next.run()
            walk = next
            if !next.isShort { break }
        }
        guard let walk else { return nil }
        let values = walk.values
        description = DICOMDescription { values[$0.rawValue] }
        pixelCount = walk.number(Walk.rows) * walk.number(Walk.columns)
        reasonToRefuse = DICOMKind.reasonToRefuse(description)
        isComplete = walk.isComplete
    }

    /// One pass over the elements of a data set.
    private struct Walk {
        static let rows: UInt32 = 0x0028_0010
        static let columns: UInt32 = 0x0028_0011
        private static let wanted = Set(DICOMTag.allCases.map(\.rawValue) + [rows, columns])
        private static let start = 132
        /// The last group that holds a wanted tag.
        private static let lastGroup: UInt32 = 0x2050
        private static let undefinedLength: UInt32 = 0xFFFF_FFFF

        private var bytes: [UInt8]
        /// Whether the file ends with them.
        private var isWhole: Bool
        private let deflatedByteCount: Int
        private var place = start
        private var isExplicit = true
        private var isBigEndian = false
        /// Sequences and items of undefined length that are open.
        private var depth = 0
        private(set) var values: [UInt32: [UInt8]] = [:]
        /// Whether it came to the end of the wanted tags.
        private(set) var isComplete = false
        /// Whether it would go on with more bytes.
        private(set) var isShort = false

        /// - Parameter deflatedByteCount: as much is inflated of a file that is deflated.
        init(_ bytes: [UInt8], isWhole: Bool, deflatedByteCount: Int) {
            self.bytes = bytes
            self.isWhole = isWhole
            self.deflatedByteCount = deflatedByteCount
        }

        func number(_ tag: UInt32) -> Int {
            guard let value = values[tag], value.count >= 2 else { return 0 }
            return isBigEndian ? Int(value[0]) << 8 | Int(value[1]) : Int(value[1]) << 8 | Int(value[0])
        }

        mutating func run() {
            // The meta group is explicit and little endian, whatever follows.
            while let group = peekGroup(), group == 2 { if !step() { return } }
            switch values[DICOMTag.transferSyntax.rawValue].map({
                String(decoding: $0.filter { $0 > 32 }, as: UTF8.self)
            }) {
            case "1.2.840.10008.1.2": isExplicit = false
            case "1.2.840.10008.1.2.2": isBigEndian = true
            case "1.2.840.10008.1.2.1.99": inflate()
            default: break
            }
            while depth > 0 || (peekGroup().map { $0 <= Self.lastGroup } ?? false) { if !step() { return } }
            isComplete = isWhole || peekGroup() != nil
            isShort = !isComplete
        }

        /// Goes on with what the rest of the bytes is once it is inflated.
        private mutating func inflate() {
            let inflated = [UInt8](unsafeUninitializedCapacity: deflatedByteCount) { buffer, count in
                // Safety: the function writes at most as many bytes as it is told, and says how many.
                count = bytes.withUnsafeBufferPointer { all in
                    let rest = UnsafeBufferPointer(rebasing: all[min(place, all.count)...])
                    return hilum_inflate(rest.baseAddress, rest.count, buffer.baseAddress, buffer.count)
                }
            }
            isWhole = isWhole && inflated.count < deflatedByteCount
            bytes = inflated
            place = 0
        }

        private func peekGroup() -> UInt32? { place + 2 <= bytes.count ? half(place) : nil }

        private func half(_ place: Int) -> UInt32 {
            let (first, second) = (UInt32(bytes[place]), UInt32(bytes[place + 1]))
            return isBigEndian ? first << 8 | second : second << 8 | first
        }

        private func word(_ place: Int) -> UInt32 {
            isBigEndian ? half(place) << 16 | half(place + 2) : half(place + 2) << 16 | half(place)
        }

        /// Takes one element; false at the end, or where the bytes are no elements.
        private mutating func step() -> Bool {
            guard place + 8 <= bytes.count else { return endShort() }
            let tag = half(place) << 16 | half(place + 2)
            var (length, isSequence) = (word(place + 4), false)
            place += 8
            if tag >> 16 == 0xFFFE { return delimit(tag, length) }
            if isExplicit {
                let kind = String(decoding: bytes[(place - 4)..<(place - 2)], as: UTF8.self)
                isSequence = kind == "SQ" || kind == "UN"
                if ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"].contains(kind) {
                    guard place + 4 <= bytes.count else { return endShort() }
                    length = word(place)
                    place += 4
                } else {
                    guard kind.utf8.allSatisfy({ (65...90).contains($0) }) else { return false }
                    length = half(place - 2)
                }
            }
            if length == Self.undefinedLength {
                guard isSequence || !isExplicit else { return false }
                depth += 1
                return true
            }
            let end = place + Int(length)
            guard end <= bytes.count else { return endShort() }
            if depth == 0, Self.wanted.contains(tag), values[tag] == nil { values[tag] = Array(bytes[place..<end]) }
            place = end
            return true
        }

        private mutating func endShort() -> Bool {
            isShort = !isWhole
            return false
        }

        private mutating func delimit(_ tag: UInt32, _ length: UInt32) -> Bool {
            switch tag {
            case 0xFFFE_E000 where length == Self.undefinedLength: depth += 1
            case 0xFFFE_E000: place += Int(length)
            case 0xFFFE_E00D, 0xFFFE_E0DD: depth -= 1
            default: return false
            }
            return depth >= 0 && (place <= bytes.count || endShort())
        }
    }
}
