/// The orientation in the Exif segment of a JPEG (CIPA DC-008, sections 4.5 and 4.6): a TIFF header, then a directory of tags.
enum ExifOrientation {
    private static let tag = 0x0112
    /// An unsigned number of 16 bits.
    private static let short = 3
    private static let entryByteCount = 12

    /// The orientation, from 1 to 8; nil when the segment says none that can be read.
    ///
    /// - Parameter segment: of the marker APP1, without its length.
    static func read(_ segment: UnsafeRawBufferPointer) -> Int? {
        guard segment.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: segment[6...])
        let isBig = bytes.starts(with: [0x4D, 0x4D])
        guard isBig || bytes.starts(with: [0x49, 0x49]) else { return nil }
        func number(_ offset: Int, _ count: Int) -> Int? {
            guard offset >= 0, offset <= bytes.count - count else { return nil }
            var value = 0
            for index in 0..<count { value = value << 8 | Int(bytes[offset + (isBig ? index : count - 1 - index)]) }
            return value
        }
        guard number(2, 2) == 42, let directory = number(4, 4), let count = number(directory, 2) else { return nil }
        for entry in 0..<count {
            let place = directory + 2 + entry * entryByteCount
            guard let found = number(place, 2) else { return nil }
            guard found == tag else { continue }
            guard number(place + 2, 2) == short, let value = number(place + 8, 2) else { return nil }
            return (1...8).contains(value) ? value : nil
        }
        return nil
    }
}
