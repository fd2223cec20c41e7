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
        var term: [UInt8] = []
        append(name, side, place, to: &term)
        return term
    }

    /// Adds the bytes of a term to those of others.
    @inline(__always)
    static func append(
        _ name: String, _ side: ReportFinding.Side?, _ place: String?, to bytes: inout [UInt8]
    ) {
        bytes.append(mark)
        bytes.append(contentsOf: name.utf8)
        if let side {
            bytes.append(UInt8(ascii: "|"))
            bytes.append(contentsOf: side.rawValue.utf8)
        }
        if let place {
            bytes.append(UInt8(ascii: "@"))
            bytes.append(contentsOf: place.utf8)
        }
    }

    /// The name in a term of a finding without side and place; nil for any other term.
    static func name(_ term: UnsafeRawBufferPointer) -> String? {
        guard term.first == mark, !term.contains(UInt8(ascii: "|")), !term.contains(UInt8(ascii: "@")) else {
            return nil
        }
        return String(decoding: term.dropFirst(), as: UTF8.self)
    }

    /// Calls `body` with the parts of each term of a finding in a report. Who denies a finding does not deny the wider one.
    @inline(__always)
    static func forEach(
        of finding: ReportFinding, _ lexicon: Lexicon,
        _ body: (_ name: String, _ side: ReportFinding.Side?, _ place: String?) -> Void
    ) {
        func say(_ name: String) {
            body(name, nil, nil)
            switch finding.side?.value {
            case .bilateral: for side in ReportFinding.Side.allCases { body(name, side, nil) }
            case let side?: body(name, side, nil)
            case nil: break
            }
            if let place = finding.place?.value { body(name, nil, place) }
        }
        if finding.assertion == .absent {
            say(finding.name)
        } else {
            for name in lexicon.lineage(of: finding.name) { say(name) }
        }
    }
}
