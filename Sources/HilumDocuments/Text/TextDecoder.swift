import Foundation

/// Bytes to text in one of the character sets that HL7 (table 0211) and DICOM (PS3.3, C.12.1.1.2) name.
///
/// Western, Korean and Chinese sets, and those of Japan, are converted by `iconv` of the C library. The escape sequences of ISO 2022 say by
/// themselves which set follows, so they are also read where no set is declared, as in many messages from Japan. A byte that the set does not
/// have is an error: half a report must not be stored. Thread rule: a value.
struct TextDecoder: Sendable {
    private enum Kind: Sendable, Equatable {
        case ascii, utf8, japanese
        case iconv(String)
    }

    private let kind: Kind
    /// As it was declared; empty for none.
    private let name: String

    /// - Parameter declared: the sets as HL7 or DICOM spell them, of which the first is the usual one.
    /// - Throws: `.badText` for a set that is not known.
    init(declared: [String]) throws(DocumentError) {
        let names = declared.map(Self.plain)
        name = declared.first { !$0.isEmpty } ?? ""
        // A set that escapes lead to comes after the usual one, which may be empty.
        if names.contains(where: { Self.japanese.contains($0) }) {
            kind = .japanese
            return
        }
        let first = names.first { !$0.isEmpty } ?? ""
        guard let known = Self.kinds[first] else {
            throw DocumentError(
                .badText,
                "the character set \(Self.shown(name)) is not known; ASCII, 8859/1, UNICODE UTF-8 and ISO IR87 are")
        }
        kind = known
    }

    /// The text of bytes.
    ///
    /// - Throws: `.badText` where they are not of the set.
    func decode(_ bytes: some Collection<UInt8>) throws(DocumentError) -> String {
        // Escape sequences explain themselves, and without them nothing but UTF-8 is known by its bytes.
        let hasEscapes = Self.hasEscapes(bytes)
        switch kind {
        case .ascii where hasEscapes, .japanese:
            if let text = Self.japaneseText(bytes) { return text }
            if !hasEscapes, let text = String(validating: bytes, as: UTF8.self) { return text }
        case .ascii:
            // Many programs write UTF-8 and do not say so, and no other text looks like it by chance.
            if let text = String(validating: bytes, as: UTF8.self) { return text }
            throw notOfIt("no character set is declared, and they are neither ASCII nor UTF-8")
        case .utf8:
            if let text = String(validating: bytes, as: UTF8.self) { return text }
        case .iconv(let set):
            if let text = Self.convert(Array(bytes), from: set) { return text }
        }
        throw notOfIt(nil)
    }

    /// Whether a sequence of ISO 2022 begins a set of Japan.
    private static func hasEscapes(_ bytes: some Collection<UInt8>) -> Bool {
        var isEscape = false
        for byte in bytes {
            if isEscape && (byte == UInt8(ascii: "$") || byte == UInt8(ascii: "(")) { return true }
            isEscape = byte == 0x1B
        }
        return false
    }

    private func notOfIt(_ reason: String?) -> DocumentError {
        DocumentError(
            .badText,
            "its bytes cannot be read: " + (reason ?? "they are not of the declared character set \(Self.shown(name))"))
    }

    /// A declared name in an error: it came from a file.
    private static func shown(_ name: String) -> String {
        let plain = name.unicodeScalars.filter { $0.isASCII && $0.value > 31 && $0.value != 127 }
        return String(String.UnicodeScalarView(plain.prefix(24)))
    }

    // MARK: Sets

    /// `ISO_IR 100`, `ISO IR100` and `iso-ir-100` are one name.
    private static func plain(_ name: String) -> String {
        name.uppercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
    }

    private static let japanese: Set<String> = [
        "ISOIR87", "ISOIR159", "ISOIR13", "ISOIR14", "ISO2022IR87", "ISO2022IR159", "ISO2022IR13", "ISO2022IR14",
        "ISO2022JP",
    ]

    private static let kinds: [String: Kind] = {
        var kinds: [String: Kind] = [
            "": .ascii, "ASCII": .ascii, "USASCII": .ascii, "ISOIR6": .ascii, "ISO2022IR6": .ascii, "UNICODE": .utf8,
            "UNICODEUTF8": .utf8, "UTF8": .utf8, "ISOIR192": .utf8, "GB180302000": .iconv("GB18030"),
            "GB18030": .iconv("GB18030"), "GBK": .iconv("GBK"), "ISOIR58": .iconv("ISO-2022-CN"),
            "ISO2022IR58": .iconv("ISO-2022-CN"), "KSX1001": .iconv("EUC-KR"), "ISO2022IR149": .iconv("ISO-2022-KR"),
            "BIG5": .iconv("BIG5"), "SHIFTJIS": .iconv("CP932"), "SJIS": .iconv("CP932"), "WINDOWS31J": .iconv("CP932"),
            "CP932": .iconv("CP932"), "EUCJP": .iconv("EUC-JP"), "WINDOWS1252": .iconv("CP1252"),
            "CP1252": .iconv("CP1252"), "ISOIR100": .iconv("ISO-8859-1"), "ISOIR101": .iconv("ISO-8859-2"),
            "ISOIR109": .iconv("ISO-8859-3"), "ISOIR110": .iconv("ISO-8859-4"), "ISOIR144": .iconv("ISO-8859-5"),
            "ISOIR127": .iconv("ISO-8859-6"), "ISOIR126": .iconv("ISO-8859-7"), "ISOIR138": .iconv("ISO-8859-8"),
            "ISOIR148": .iconv("ISO-8859-9"), "ISOIR203": .iconv("ISO-8859-15"), "ISOIR166": .iconv("TIS-620"),
        ]
        for part in 1...16 where part != 12 {
            for name in ["8859\(part)", "ISO8859\(part)"] { kinds[name] = .iconv("ISO-8859-\(part)") }
        }
        for (name, kind) in kinds where name.hasPrefix("ISOIR") {
            kinds["ISO2022" + name.dropFirst(3)] = kinds["ISO2022" + name.dropFirst(3)] ?? kind
        }
        return kinds
    }()

    // MARK: Conversion

    /// Text in the sets of Japan behind escape sequences (ISO 2022); half-width kana may also be bytes above 127 (JIS X 0201).
    private static func japaneseText(_ bytes: some Collection<UInt8>) -> String? {
        let (escape, open, close): (UInt8, [UInt8], [UInt8]) = (
            0x1B, Array("\u{1B}(I".utf8), Array("\u{1B}(B".utf8)
        )
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var inKana = false
        for byte in bytes {
            let isKana = 0xA1...0xDF ~= byte
            if isKana != inKana { plain += isKana ? open : close }
            inKana = isKana
            // Latin letters of JIS differ from ASCII in two signs, which separate fields in HL7: they are meant as ASCII.
            if byte == UInt8(ascii: "J"), plain.suffix(2).elementsEqual([escape, UInt8(ascii: "(")]) {
                plain.append(UInt8(ascii: "B"))
            } else {
                plain.append(isKana ? byte & 0x7F : byte)
            }
        }
        if inKana { plain += close }
        return convert(plain, from: "ISO-2022-JP-3") ?? convert(plain, from: "ISO-2022-JP-2")
    }

    private static func convert(_ bytes: [UInt8], from set: String) -> String? {
        let handle = iconv_open("UTF-8", set)
        guard handle != iconv_t(bitPattern: -1) else { return nil }
        defer { iconv_close(handle) }
        var input = bytes
        // No byte of these sets becomes more than four of UTF-8.
        let text = [UInt8](unsafeUninitializedCapacity: 4 * bytes.count + 16) { output, count in
            // Safety: both buffers outlive the call, and iconv keeps within the lengths that it is given.
            count = input.withUnsafeMutableBytes { source in
                var (from, fromCount) = (source.baseAddress?.assumingMemoryBound(to: CChar.self), source.count)
                let start = UnsafeMutableRawPointer(output.baseAddress)?.assumingMemoryBound(to: CChar.self)
                var (to, toCount) = (start, output.count)
                guard iconv(handle, &from, &fromCount, &to, &toCount) != -1, fromCount == 0 else { return 0 }
                return output.count - toCount
            }
        }
        guard !text.isEmpty || bytes.isEmpty else { return nil }
        return String(decoding: text, as: UTF8.self)
    }
}
