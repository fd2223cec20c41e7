import HilumCore
import HilumDocuments
import HilumImaging

/// What finding cases takes from the header of a DICOM file.
struct DICOMGlance: Sendable, Equatable {
    /// The study UID; nil for a file that says none, and for an object that is no picture.
    let study: String?
    /// From where the picture was made.
    let view: String?
    /// The number of the order, by which reports name it.
    let accession: String?
    /// Whose it is; in memory alone.
    let patient: DICOMPatient?
    /// What the object is, if it is no picture.
    let reasonToRefuse: String?
    /// Whether it is a report in words.
    let isReport: Bool
    /// Whether all tags could be read. Without that a file that names no study may still have one.
    let isComplete: Bool

    /// Nil for a file that is not DICOM. Only files that are named as DICOM files often are, with `.dcm` or no ending, are opened.
    ///
    /// - Parameter path: absolute.
    init?(_ file: FoundFile, at path: String) {
        guard file.role == .image, Self.isNamedAsDICOM(file.path), let header = DICOMHeader(path: path) else {
            return nil
        }
        reasonToRefuse = header.reasonToRefuse
        isComplete = header.isComplete
        view = header.description.view
        accession = header.description[.accession]
        patient = DICOMPatient(header.description)
        isReport = ReportFile.isReport(objectClass: header.description[.objectClass])
        // A report or a dose sheet makes no case of a study.
        study = header.reasonToRefuse == nil ? header.description[.study].flatMap { Self.isUID($0) ? $0 : nil } : nil
    }

    /// Whether a file of this path may be DICOM by its name.
    static func isNamedAsDICOM(_ path: String) -> Bool {
        ["dcm", "dicom", ""].contains(FileRole.ending(of: FilePath.name(of: path)))
    }

    private static func isUID(_ text: String) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, text.utf8.count <= 64 else { return false }
        let isDigit: (UInt8) -> Bool = { (48...57).contains($0) }
        return isDigit(first) && isDigit(last) && text.utf8.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") }
    }
}

/// Which files are one study: DICOM files by their study UID, wherever they lie, and what lies beside them by its place.
///
///     IM01.dcm  IM02.dcm                 of one study: one case
///     IM01.dcm  IM01.txt                 the text goes with its stem
///     s50/IM01  s50/IM02  s50/report.txt and s50.txt: with the study, where all below the folder `s50` is one study
///
/// The id of such a case is the study UID, whichever of its files comes first. Thread rule: a value.
package struct StudyGroups: Sendable {
    private static let mark = "study "

    /// By path below the source.
    private var studies: [String: String] = [:]
    /// How many files each study has.
    private var counts: [String: Int] = [:]
    /// Which studies share a place: a `FilePlace.group`, or that of a folder above.
    private var places: [String: Place] = [:]

    /// The studies of one place.
    private struct Place: Sendable {
        private var counts: [String: Int] = [:]

        /// The study of the place, if there is one alone.
        var only: String? { counts.count == 1 ? counts.keys.first : nil }
        var isEmpty: Bool { counts.isEmpty }

        mutating func note(_ study: String?, instead old: String?) {
            if let old { counts[old] = counts[old].flatMap { $0 > 1 ? $0 - 1 : nil } }
            if let study { counts[study, default: 0] += 1 }
        }
    }

    package init() {}

    /// The study of a DICOM file; nil for another file, and for one that says none.
    ///
    /// - Parameter path: absolute.
    package static func study(of file: FoundFile, at path: String) -> String? { DICOMGlance(file, at: path)?.study }

    /// The study of a group that is one; nil for another group.
    package static func study(ofGroup group: String) -> String? {
        group.hasPrefix(mark) ? String(group.dropFirst(mark.utf8.count)) : nil
    }

    /// The group of a study.
    package static func group(ofStudy uid: String) -> String { mark + uid }

    /// Notes the study of a file.
    ///
    /// - Parameter study: nil where it has none, or has gone.
    /// - Returns: the groups whose files may belong elsewhere now.
    package mutating func note(_ study: String?, of file: FoundFile) -> Set<String> {
        let old = studies[file.path]
        guard old != study else { return [] }
        studies[file.path] = study
        // The file itself moves, and others where the one study of a place came or went.
        var touched: Set<String> = [FilePlace(path: file.path, role: file.role).group]
        for place in Self.places(of: file) {
            let before = places[place]?.only
            places[place, default: Place()].note(study, instead: old)
            if places[place]?.isEmpty == true { places[place] = nil }
            let after = places[place]?.only
            guard before != after else { continue }
            touched.insert(place)
            touched.formUnion([before, after].compactMap(\.self).map { Self.mark + $0 })
        }
        for uid in [old, study].compactMap(\.self) {
            touched.insert(Self.mark + uid)
            touched.insert(FilePlace.group(ofID: uid))
        }
        if let old { counts[old] = counts[old].flatMap { $0 > 1 ? $0 - 1 : nil } }
        if let study { counts[study, default: 0] += 1 }
        return touched
    }

    /// The group of a file: its study, that of the files at its place, or its place.
    package func group(of file: FoundFile) -> String {
        if let study = studies[file.path] { return Self.mark + study }
        let place = FilePlace(path: file.path, role: file.role)
        // A file in the source itself that is named by the study's UID would be a case of the same id.
        if counts[place.id] != nil { return Self.mark + place.id }
        return (places[place.group]?.only).map { Self.mark + $0 } ?? place.group
    }

    private static func places(of file: FoundFile) -> Set<String> {
        var places: Set<String> = [FilePlace(path: file.path, role: file.role).group]
        var folders = FilePath.parts(of: CaseID.canonical(file.path))
        while folders.popLast() != nil, !folders.isEmpty {
            places.insert(FilePlace.group(ofID: folders.joined(separator: "/")))
        }
        return places
    }
}
