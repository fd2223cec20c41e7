import Foundation
import HilumCore

/// The files or the row that a case was read from. The archive remembers it, so that no other source takes the case over by chance.
package struct CaseOrigin: Sendable, Equatable {
    /// A case that these files were before, such as a report whose image came later.
    package struct Former: Sendable, Equatable {
        /// Its id.
        package var id: String
        /// What it was read from; a case from elsewhere is left alone.
        package var source: String

        package init(id: String, source: String) {
            self.id = id
            self.source = source
        }
    }

    /// Names the place: `FOLDER/ID` for files, `MANIFEST#ID` for a row.
    package var source: String
    /// Changes when the files or the row do (`SourceCase.fingerprint`).
    package var fingerprint: [UInt8]
    /// Whether it may take the place of a case from another source.
    package var mayReplace = false
    /// Whether it is taken though its case was deleted and its files are the same.
    package var mayReturn = false
    /// SHA-256 of each of its texts, records and messages, and of its row, without their names; filled when they are read.
    package var texts: [[UInt8]] = []
    /// Whether it says whose it is, so that another case of the same id and text is the same one; known when it is read.
    package var tellsPatient = false
    /// Whether nothing says whose it is but the id that somebody gave it in a row; known when it is read.
    package var isNamedByRow = false
    /// Whether its text names no encoding and was read as Windows-1252.
    package var hasGuessedText = false
    /// Removed in the transaction that stores this case.
    package var former: [Former] = []
    /// What it was read from, part by part.
    package var marks = SourceMarks()
    /// The images, texts and rows among `marks`. A record may be the same for the cases of many patients.
    package var ties = SourceMarks()
    /// Whether the case has further files that were not looked at.
    package var isPart = false
    /// Whether it is a report that says of which case it is, and joins that one wherever it came from. The case keeps its own source.
    package var joins = false
    /// Whether its id is the UID of its study, so that a report that waits under this id is of the same study.
    package var takesReports = false

    package init(source: String, fingerprint: [UInt8], mayReplace: Bool = false, former: [Former] = []) {
        self.source = source
        self.fingerprint = fingerprint
        self.mayReplace = mayReplace
        self.former = former
    }

    /// `source`, where nothing but its id tells its texts from those of others.
    var onlyPlace: String? { tellsPatient ? nil : source }

    /// Whether the manifest, or every file, of a source has gone. A folder that cannot be read hides its files.
    ///
    /// - Parameter id: of the case.
    static func isGone(_ source: String, id: String) -> Bool {
        func isAbsent(_ path: String) -> Bool { access(path, F_OK) != 0 && errno == ENOENT }
        if source.hasSuffix("#" + id) { return isAbsent(String(source.dropLast(id.count + 1))) }
        if let path = ReportLead.path(ofSource: source) { return isAbsent(path) }
        // A study may be a folder.
        guard FilePath.isAbsolute(source), isAbsent(source) else { return false }
        let folder = FilePath.folder(of: source)
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return isAbsent(folder) }
        let stem = FilePath.name(of: source)
        return !names.contains { FilePlace(path: $0, role: FileRole(name: $0)).id == stem }
    }
}

/// What the archive knows of a source before it is read.
package enum SourceVerdict: Sendable, Equatable {
    /// New or changed, and no case has its id.
    case open
    /// Changed; the case with its id was read from it before.
    ///
    /// `isTied`: an image, a text or a row with which all of that case was seen together is there as it was.
    case own(isTied: Bool)
    /// Stored from this very source, and nothing replaced it since.
    case unchanged
    /// Its case was deleted, and the files are still the same.
    case deleted
    /// Its case is gone, the files are still the same, and no row says that somebody deleted it: the case of another source took its place.
    case gone
    /// Refused before, and still the same.
    case refused(String)
    /// A case from elsewhere has its id: why it is refused, unless it may replace that one.
    ///
    /// `isKnown`: it was read and refused before, and is still the same.
    case foreign(String, isKnown: Bool = false)
}
