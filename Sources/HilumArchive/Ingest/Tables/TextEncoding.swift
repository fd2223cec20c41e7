/// The encodings in which texts and tables come: UTF-8, UTF-16 with its mark, and Windows-1252, which contains Latin-1.
enum TextEncoding {
    /// A text that was read.
    struct Text: Equatable {
        var text: String
        /// Whether it was neither UTF-8 nor marked as UTF-16, and was read as Windows-1252.
        var isGuessed = false
    }

    /// Reads a text; nil for bytes that are none, as those of another kind of file, or of an encoding that is not Western.
    ///
    /// Nothing says that bytes are Windows-1252. In a Western text most letters are plain ones and the five bytes without a meaning do not
    /// occur; a Japanese, Cyrillic or Greek text in an encoding of its own fails one or the other, and must not become another text.
    static func text(_ bytes: [UInt8]) -> Text? {
        if let units = utf16(bytes) {
            guard bytes.count % 2 == 0 else { return nil }
            return String(validating: units, as: UTF16.self).map { Text(text: $0) }
        }
        let plain = Array(Manifest.withoutMark(bytes[...]))
        if let text = String(validating: plain, as: UTF8.self) { return Text(text: text) }
        let letters = plain.count { 65...90 ~= $0 || 97...122 ~= $0 }
        let others = plain.count { $0 >= 0x80 }
        let isKnown = plain.allSatisfy {
            $0 < 0x80 ? $0 >= 0x20 || 9...13 ~= $0 : ![0x81, 0x8D, 0x8F, 0x90, 0x9D].contains($0)
        }
        guard isKnown, others <= letters else { return nil }
        return Text(text: windows1252(plain), isGuessed: true)
    }

    /// The units behind a mark of UTF-16; nil where there is no mark. Half a unit at the end is left out.
    static func utf16(_ bytes: [UInt8]) -> [UInt16]? {
        let isLittle = bytes.starts(with: [0xFF, 0xFE])
        guard isLittle || bytes.starts(with: [0xFE, 0xFF]) else { return nil }
        return stride(from: 2, to: bytes.count - 1, by: 2).map { place in
            UInt16(bytes[place + (isLittle ? 0 : 1)]) | UInt16(bytes[place + (isLittle ? 1 : 0)]) << 8
        }
    }

    /// Latin-1, but for the 32 characters that Windows put in place of controls.
    static func windows1252(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            let isUpper = (0x80...0x9F).contains(byte)
            let scalar = isUpper ? Unicode.Scalar(upper[Int(byte) - 0x80]) : Unicode.Scalar(byte)
            text.unicodeScalars.append(scalar ?? Unicode.Scalar(byte))
        }
        return text
    }

    private static let upper: [UInt32] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
        0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
        0x0153, 0x9D, 0x017E, 0x0178,
    ]
}
