import HilumReports

/// The terms under which the table of words keeps findings: a byte that no word begins with, then the stable name, and behind a bar or an at
/// sign its side or place.
///
/// | term | the report speaks of |
/// | --- | --- |
/// | `effusion` | the finding |
/// | `effusion\|left` | it on this side; what is on both sides is under `left`, `right` and `bilateral` |
/// | `nodule@right-upper-lobe` | it in this place |
enum FindingTerm {
    static let mark: UInt8 = 1

    /// The term of a finding.
    static func term(_ name: String, side: ReportFinding.Side? = nil, place: String? = nil) -> [UInt8] {
        var term = [mark]
        term.append(contentsOf: name.utf8)
        if let side { term.append(contentsOf: "|\(side.rawValue)".utf8) }
        if let place { term.append(contentsOf: "@\(place)".utf8) }
        return term
    }

    /// The name in a term of a finding without side and place; nil for any other term.
    static func name(_ term: UnsafeRawBufferPointer) -> String? {
        guard term.first == mark, !term.contains(UInt8(ascii: "|")), !term.contains(UInt8(ascii: "@")) else {
            return nil
        }
        return String(decoding: term.dropFirst(), as: UTF8.self)
    }

    /// All terms of a finding in a report. Who denies a finding does not deny the wider one.
    static func terms(of finding: ReportFinding, _ lexicon: Lexicon) -> [[UInt8]] {
        let names = finding.assertion == .absent ? [finding.name] : lexicon.lineage(of: finding.name)
        var terms: [[UInt8]] = []
        for name in names {
            terms.append(term(name))
            switch finding.side?.value {
            case .bilateral: terms += ReportFinding.Side.allCases.map { term(name, side: $0) }
            case let side?: terms.append(term(name, side: side))
            case nil: break
            }
            if let place = finding.place?.value { terms.append(term(name, place: place)) }
        }
        return terms
    }
}
