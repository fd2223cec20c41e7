/// What stands in a report in place of an identifier: one fixed form a kind.
///
/// `HilumPrivacy` writes these, and whoever reads reports takes them for a gap, as `XXXX` and `___` of public collections: no word, no
/// finding, no place. Thread rule: a value.
public enum ReportMask: String, Sendable, CaseIterable {
    /// A person.
    case name = "[NAME]"
    /// A day, a month, or a time of the day.
    case date = "[DATE]"
    /// A number of a record, a patient, an insurance or a telephone.
    case number = "[NUMBER]"
    /// Where somebody lives.
    case address = "[ADDRESS]"
    /// An e-mail address or a URL.
    case contact = "[CONTACT]"
    /// A hospital or another institution.
    case place = "[PLACE]"
    /// An age of 90 years or more.
    case age = "[AGE]"

    private static let forms: [(mask: ReportMask, bytes: [UInt8])] = allCases.map { ($0, Array($0.rawValue.utf8)) }

    /// The bytes of the form.
    public var byteCount: Int { rawValue.utf8.count }

    /// The mask that begins at a place of a text; nil if there is none.
    @inline(__always)
    public static func at(_ place: Int, of text: Span<UInt8>) -> ReportMask? {
        guard place + 5 <= text.count, text[place] == UInt8(ascii: "[") else { return nil }
        return find(place, text.count) { text[$0] }
    }

    /// The mask that begins at a place of a text; nil if there is none.
    @inline(__always)
    public static func at(_ place: Int, of text: UnsafeRawBufferPointer) -> ReportMask? {
        guard place + 5 <= text.count, text[place] == UInt8(ascii: "[") else { return nil }
        return find(place, text.count) { text[$0] }
    }

    @usableFromInline
    static func find(_ place: Int, _ count: Int, byte: (Int) -> UInt8) -> ReportMask? {
        for (mask, bytes) in forms where place + bytes.count <= count {
            var index = 1
            while index < bytes.count && bytes[index] == byte(place + index) { index += 1 }
            if index == bytes.count { return mask }
        }
        return nil
    }
}
