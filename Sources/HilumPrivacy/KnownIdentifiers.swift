/// What is known of a patient and of those who took care of it, from the tags of its images or a table: it is masked wherever it stands.
///
/// A name may have the form of DICOM (`YAMADA^TARO=山田^太郎=やまだ^たろう`), of a list (`Smith, John A.`) or of a signature. Each of its parts is
/// masked, in any order and case; kana in both scripts. A part that is a word of reports (`Young`, `Long`) is masked where it has a capital, or
/// stands beside another part. A Latin part of one letter, and a part of one kanji, are masked beside another part alone. An id has at
/// least three letters or digits; hyphens and leading zeros in it do not count. Thread rule: a value.
public struct KnownIdentifiers: Sendable {
    /// Folded parts of names in Latin letters.
    let latin: [[UInt32]]
    /// Parts of names in kanji and kana, katakana for hiragana, the longest first.
    let wide: [[UInt32]]
    /// Ids: small letters and digits without leading zeros.
    let ids: [[UInt32]]

    var isEmpty: Bool { latin.isEmpty && wide.isEmpty && ids.isEmpty }

    /// Identifiers of one case.
    public init(names: [String] = [], ids: [String] = []) {
        var latin: [[UInt32]] = []
        var wide: [[UInt32]] = []
        for name in names {
            var page = Page()
            page.decode(Array(name.utf8))
            for group in page.characters.split(separator: 61) {
                var parts: [[UInt32]] = []
                for part in group.split(whereSeparator: { !Self.isLetter($0) && $0 != 39 }) where !part.isEmpty {
                    if part.contains(where: { $0 > 0x2FF }) {
                        parts.append(Self.inKatakana(part))
                    } else {
                        latin.append(Array(part))
                    }
                }
                // The whole name, and each part that is long enough to stand alone.
                if parts.count > 1 { wide.append(parts.flatMap { $0 }) }
                wide += parts.filter { $0.count > 1 }
            }
        }
        self.latin = Array(Set(latin)).sorted { $0.count > $1.count }
        self.wide = Array(Set(wide)).filter { $0.count > 1 }.sorted { $0.count > $1.count }
        self.ids = ids.compactMap { id in
            var page = Page()
            page.decode(Array(id.utf8))
            let plain = Array(page.characters.filter(Self.isCode).drop { $0 == 48 })
            return plain.count > 2 ? plain : nil
        }
    }

    static func isCode(_ character: UInt32) -> Bool { 48...57 ~= character || 97...122 ~= character }

    private static func isLetter(_ character: UInt32) -> Bool {
        97...122 ~= character || 0xC0...0x24F ~= character || character >= 0x3005 && character != 0x30FB
    }

    static func inKatakana(_ text: some Sequence<UInt32>) -> [UInt32] {
        text.map { 0x3041...0x3096 ~= $0 ? $0 + 0x60 : $0 }
    }
}
