import HilumCore

// HilumPrivacy keeps patients' identifiers out of what an archive holds and gives out.
//
//     report ──► Page ──► MaskPass ──► masked text, again until nothing is found
//                pieces   rules        ▲
//     known names and ids of the patient┘
//
//     ids, UIDs ──► PseudonymKey            dates ──► DateShift            report ──► ExternalFilter (a program of the user's)
//
// | files                                 | what they do |
// | ------------------------------------- | ------------ |
// | `ReportMasking`, `MaskedReport`, `MaskCounts`, `KnownIdentifiers` | masking, as the rest of Hilum sees it |
// | Text/: `Page`, `Piece`, `ListedWords`, `WordClass` | a text in pieces, and the lists of words of Resources/Privacy |
// | Rules/: `MaskPass` and its extensions | what is an identifier |
// | Keys/: `PseudonymKey`, `NameSeal`, `DateText`, `DateShift`, `CivilDay` | pseudonyms, sealed names, dates and how they shift |
// | Filter/: `ExternalFilter`, `FilterProcess`, `FilterCommand` | a filter from outside |

/// Masks names, dates, numbers, addresses and the like in English and Japanese reports, by rules and lists of words.
///
/// Rules find what has the form of an identifier or stands where one is expected; they do not know every name. What the caller knows of
/// the patient (`KnownIdentifiers`) is masked wherever it stands, but for parts of names that are words of findings, sides and denials:
/// these are masked where they stand as a name (`Emily Post presented`), and stay alone (`Post was seen`). Years, ages below 90, states and
/// prefectures stay. Measurements, levels of the spine, ratios and eponyms are no identifiers.
///
/// Masking a masked text changes nothing: a text is gone over until nothing more is found.
/// Thread rule: an immutable value; any number of threads.
/// - Complexity: O(bytes) a walk; two walks are usual where something was found, one where nothing was, and there is a limit to them.
public struct ReportMasking: Sendable {
    /// Changes with the rules and lists, so that reports are read again that were masked by others.
    public static let version = 6

    private static let read = Result { () throws(PrivacyError) -> ReportMasking in try ReportMasking() }

    private let table: ListedWords

    /// How many walks find one thing after another before a walk masks whole lines, and then everything. A mask changes
    /// what stands beside it, so that a text of one word, said a thousand times, might be gone over as often.
    private static let walksOfParts = 8
    private static let walksOfLines = 12

    /// Masking by the lists that come with the program; their files are read once a process.
    ///
    /// - Throws: `.missingWords`, `.badWords`, `.file`.
    public static func shared() throws(PrivacyError) -> ReportMasking { try read.get() }

    init() throws(PrivacyError) { table = try ListedWords.read() }

    /// The text without identifiers.
    ///
    /// - Parameter known: what the caller knows of the patient and those who took care of it.
    public func mask(_ text: String, known: KnownIdentifiers = KnownIdentifiers()) -> MaskedReport {
        var counts = MaskCounts()
        guard let bytes = mask(Array(text.utf8), known, &counts) else {
            return MaskedReport(text: text, counts: counts)
        }
        return MaskedReport(text: String(decoding: bytes, as: UTF8.self), counts: counts)
    }

    /// The bytes without identifiers; nil where there are none.
    func mask(_ given: [UInt8], _ known: KnownIdentifiers, _ counts: inout MaskCounts) -> [UInt8]? {
        var text = given
        var isChanged = false
        for walk in 1... {
            var pass = MaskPass(Page(text, table), table, known)
            pass.run()
            if walk > Self.walksOfParts { pass.widen(toLines: walk <= Self.walksOfLines) }
            // Each walk covers bytes that were no mask, so that this ends.
            if pass.spans.isEmpty { return isChanged ? text : nil }
            text = pass.write(&counts)
            isChanged = true
        }
        preconditionFailure("the last walk ends the loop")
    }
}
