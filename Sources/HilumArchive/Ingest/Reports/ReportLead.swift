import HilumCore
import HilumDocuments

/// Where a report stands in a file of messages, and what it says of which case it is of. Its text is read again when the case is stored.
///
/// Thread rule: a value.
package struct ReportLead: Sendable, Equatable {
    /// The file, absolute.
    package let path: String
    /// What the file is.
    let kind: ReportFile.Kind
    /// Where the report stands in it.
    let place: ReportFile.Place
    /// Its number among the reports of the file, from 1.
    let number: Int
    /// UIDs of studies, likeliest first: those that it is about, and those that it used.
    let studies: [String]
    let evidence: [String]
    /// What may be its accession number, likeliest first.
    let accessions: [String]
    /// Whose it may be; in memory alone.
    let patients: [DICOMPatient]
    /// SHA-256 of what it says.
    let digest: [UInt8]

    private static let mark = "#report "

    init(_ document: ReportDocument, path: String, _ kind: ReportFile.Kind, _ place: ReportFile.Place, number: Int) {
        self.path = path
        self.kind = kind
        self.place = place
        self.number = number
        studies = document.studies
        evidence = document.evidence
        accessions = document.accessions
        patients = document.patients.map { DICOMPatient(number: $0.number, issuer: $0.issuer) }
        var hash = SHA256()
        for text in [document.text, document.mark, document.writtenAt ?? ""] + studies + evidence + accessions
            + document.patients.map(\.number)
        {
            hash.update(text)
            hash.update("\u{0}")
        }
        digest = hash.finish()
    }

    /// The reports of a file; none where it cannot be read.
    static func all(at path: String, _ kind: ReportFile.Kind) -> [ReportLead] {
        var leads: [ReportLead] = []
        for item in (try? ReportFile.outcomes(at: path, kind)) ?? [] {
            if case .report(let document) = item.outcome {
                leads.append(ReportLead(document, path: path, kind, item.place, number: leads.count + 1))
            }
        }
        return leads
    }

    /// Whether a document says what this report said when it was found.
    func isOf(_ document: ReportDocument) -> Bool {
        ReportLead(document, path: path, kind, place, number: number).digest == digest
    }

    /// Why it is not read where it stood.
    var hasChanged: String { "\(path): the file has changed since it was looked through; it is read again next time" }

    /// Tells this report, as it is, from others.
    var identity: [UInt8] { Array(path.utf8) + [0] + digest }

    /// How the archive names it as a source: `FILE#report N`.
    var source: String { "\(path)\(Self.mark)\(number)" }

    /// The file of a report that is a source; nil for a source of another kind.
    package static func path(ofSource source: String) -> String? {
        guard let range = source.ranges(of: mark).last, !source[range.upperBound...].isEmpty,
            source[range.upperBound...].utf8.allSatisfy({ 48...57 ~= $0 })
        else { return nil }
        return String(source[..<range.lowerBound])
    }

    /// What a case of files with the name of this source's file is called by the archive, whatever folder it was found from; nil for a
    /// source of another kind.
    static func place(ofSource source: String) -> String? {
        guard let path = path(ofSource: source) else { return nil }
        return "/" + FilePlace(path: String(path.drop { $0 == "/" }), role: .message).id
    }
}

/// How a report was found to be of a case.
enum ReportMatch: Sendable, Equatable {
    /// By the UID of the study, or by the accession number.
    case key
    /// By the name of its file alone. `isTied`: an image of the case lies there as it was when the case was stored.
    case name(isTied: Bool)
}
