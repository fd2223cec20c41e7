/// The messages of a file: one or many, with or without the bytes that frame them on a line (MLLP), with or without the segments of a batch.
///
///     VT  MSH|… CR PID|… CR …  FS CR      VT, FS: the frame
///     FHS BHS MSH … MSH … BTS FTS         a batch; its own segments belong to no message
enum HL7Splitter {
    private static let verticalTab: UInt8 = 0x0B
    private static let fileSeparator: UInt8 = 0x1C
    private static let heads = ["MSH", "FHS", "BHS"].map { Array($0.utf8) }

    /// Whether a file that begins with `head` holds messages.
    static func isHL7(_ head: some Collection<UInt8>) -> Bool {
        var rest = head[...]
        if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
        while let byte = rest.first, byte == verticalTab || byte == 32 || 9...13 ~= byte { rest = rest.dropFirst() }
        let bytes = Array(rest.prefix(8))
        return bytes.count > 4 && heads.contains(Array(bytes.prefix(3))) && isSeparator(bytes[3])
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        33...126 ~= byte && !(48...57 ~= byte || 65...90 ~= byte || 97...122 ~= byte)
    }

    /// Where the messages stand, each without its frame.
    ///
    /// - Complexity: O(bytes)
    static func messages(_ bytes: [UInt8]) -> [(range: Range<Int>, isCut: Bool)] {
        bytes.withUnsafeBufferPointer { bytes in
            var found: [(range: Range<Int>, isCut: Bool)] = []
            var (start, isFramed): (Int?, Bool) = (nil, false)
            func close(_ end: Int, hasEnd: Bool) {
                if let start { found.append((start..<end, isFramed && !hasEnd)) }
                start = nil
            }
            var place = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
            var isLineStart = true
            while place < bytes.count {
                let byte = bytes[place]
                if byte == fileSeparator {
                    close(place, hasEnd: true)
                } else if byte == verticalTab {
                    close(place, hasEnd: false)
                    isFramed = true
                } else if isLineStart, byte == UInt8(ascii: "M"), place + 3 < bytes.count,
                    bytes[place + 1] == UInt8(ascii: "S"), bytes[place + 2] == UInt8(ascii: "H"),
                    isSeparator(bytes[place + 3])
                {
                    close(place, hasEnd: !isFramed)
                    isFramed = place > 0 && bytes[place - 1] == verticalTab
                    start = place
                }
                isLineStart = byte < 32 || isLineStart && byte == 32
                place += 1
            }
            close(bytes.count, hasEnd: false)
            return found
        }
    }
}
