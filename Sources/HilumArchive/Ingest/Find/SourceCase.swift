import Foundation
import HilumCore
import HilumDocuments
import HilumImaging
import HilumPrivacy

/// A case as a source describes it; nothing is read of its files yet.
package struct SourceCase: Sendable, Equatable {
    /// Names the place in refusals: `path:line`, or the file.
    package var place: String
    /// Names the source in the journal and in the stored case: `FOLDER/ID`, or `MANIFEST#ID`.
    package var name: String
    package var id = ""
    /// Absolute; those that can be read are stored, each with a vector of its own.
    package var imagePaths: [String] = []
    /// From where each image was made; empty, or as many as there are images.
    var imageViews: [String] = []
    /// Absolute.
    package var reportPath: String?
    package var report: String?
    package var fields = CaseFields()
    /// Absolute; the files that gave `fields`.
    package var recordPaths: [String] = []
    /// What these files were before.
    var former: [CaseOrigin.Former] = []
    /// The study UID, where DICOM files are the case by it.
    var study: String?
    /// What the tags of its images call the order, by which reports name it.
    var accessions: Set<String> = []
    /// Whose its images are by their tags; in memory alone.
    var tagged: [DICOMPatient] = []
    /// The reports of messages and structured reports that are about it.
    package var leads: [ReportLead] = []
    /// How a report that came by itself was found to be of the stored case `id`; nil where it is of none.
    var match: ReportMatch?
    /// The case that a report is of if its keys lead nowhere: one whose files have the name of the report's.
    var named: CaseOrigin.Former?
    /// A stored report that came before these images, and is theirs.
    var waiting: CaseOrigin.Former?
    /// Whether the stored case is a report whose file has the name of these images, and lies there as it was.
    var isTiedToReport = false
    /// Why its files cannot be one case; nil where nothing speaks against it.
    var fault: String?
    /// Whether somebody named one file, so that other files of the case may lie where nobody looked.
    var isPart = false

    init(place: String, name: String, id: String = "") {
        self.place = place
        self.name = name
        self.id = id
    }

    /// Whether a row of a manifest describes it.
    package var isRow: Bool { name.hasSuffix("#\(id)") }

    /// Every file of the case.
    package var paths: [String] {
        let files = imagePaths + [reportPath].compactMap(\.self) + recordPaths
        return leads.isEmpty ? files : files + Set(leads.map(\.path)).sorted()
    }

    /// The cases that its files were by themselves give way to it.
    mutating func takeFiles(below root: String) {
        for path in imagePaths + [reportPath].compactMap(\.self) {
            guard let relative = FilePath.relative(path, to: root) else { continue }
            let file = FoundFile(path: relative)
            let id = FilePlace(path: file.path, role: file.role).id
            former.append(.init(id: id, source: "\(root)/\(id)"))
        }
    }

    /// Whether it has a report, as far as can be told without reading it.
    var hasReport: Bool {
        reportPath != nil || !leads.isEmpty || report?.contains { !$0.isWhitespace } == true
    }

    /// Where the case comes from, as the archive remembers it.
    package var origin: CaseOrigin {
        var origin = CaseOrigin(source: name, fingerprint: fingerprint, former: former)
        (origin.marks, origin.ties) = marks
        origin.isPart = isPart
        origin.joins = isReportAlone
        origin.takesReports = study != nil
        return origin
    }

    /// Its files as they are, and its row; then those of them that are no records. A file that is not there has no mark.
    private var marks: (all: SourceMarks, ties: SourceMarks) {
        var ties = SourceMarks()
        for path in imagePaths + [reportPath].compactMap(\.self) { ties.insert(file: path) }
        // One file of a row says nothing of the row.
        if isRow && !isPart || report != nil {
            var writer = ByteWriter()
            writer.text(name)
            writer.optionalText(report)
            fields.encode(to: &writer)
            ties.insert(hashOf: writer.bytes)
        }
        for lead in leads { ties.insert(hashOf: lead.identity) }
        var all = ties
        for path in recordPaths { all.insert(file: path) }
        return (all, ties)
    }

    /// Changes when the row, its files' sizes or their times change, or when this program reads sources in a new way.
    var fingerprint: [UInt8] {
        var hash = SHA256()
        var writer = ByteWriter()
        writer.text("hilum-source-4")
        for field in [id, name] { writer.text(field) }
        writer.optionalText(report)
        fields.encode(to: &writer)
        for view in imageViews { writer.text(view) }
        // Releases before took the view of a further image for that of the case, and the last of several records for all.
        if imageViews.first == "" && imageViews.contains(where: { !$0.isEmpty }) { writer.text("first-view") }
        if recordPaths.count > 1 { writer.text("first-record") }
        // A message that stays as it is may lie in a file that grows.
        for lead in leads { writer.raw(lead.identity) }
        for path in imagePaths + [reportPath].compactMap(\.self) + recordPaths {
            writer.text(path)
            // Releases that did not decode DICOM refused these files.
            if DICOMGlance.isNamedAsDICOM(path) { writer.text("dicom") }
            var status = stat()
            guard stat(path, &status) == 0 else {
                writer.byte(0)
                continue
            }
            writer.integer(Int64(status.st_size))
            writer.integer(Int64(status.st_mtim.tv_sec))
            writer.integer(Int64(status.st_mtim.tv_nsec))
        }
        writer.bytes.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }

    /// Takes one member of a JSON row or record; keys that mean something are named in `cli.md`, others are metadata.
    ///
    /// Null, and `NaN`, which is read as null, cost the field alone. A list in a free key is kept as one text.
    mutating func set(_ key: String, _ value: JSON, folder: String) {
        switch value {
        case .array(let values): set(key, values.compactMap(Self.text(of:)), isList: true, folder: folder)
        default: if let text = Self.text(of: value) { set(key, [text], isList: false, folder: folder) }
        }
    }

    /// Whether a member says anything: null and an empty text do not.
    static func says(_ value: JSON) -> Bool {
        if case .array(let values) = value { return values.contains(where: says) }
        return text(of: value)?.contains { !$0.isWhitespace } ?? false
    }

    /// A string, or a number, true or false in its own spelling; nil for what a row may hold and a case does not keep.
    private static func text(of value: JSON) -> String? {
        switch value {
        case .string(let text), .numeral(let text): text
        case .bool(let value): value ? "true" : "false"
        case .null, .array, .object: nil
        }
    }

    /// Takes one field of a manifest.
    ///
    /// - Parameter folder: what relative paths begin at.
    mutating func set(_ key: String, _ values: [String], isList: Bool, folder: String) {
        // Blanks at its ends are of a program that fills up fields; a report keeps its lines as they are.
        let values = key == "report" ? values : values.map { $0.trimmingCharacters(in: .whitespaces) }
        guard let value = values.first(where: { !$0.isEmpty }) else { return }
        func absolute(_ path: String) -> String { FilePath.isAbsolute(path) ? path : "\(folder)/\(path)" }
        switch key {
        case "id": id = CaseID.canonical(value)
        case "image": imagePaths = values.filter { !$0.isEmpty }.map(absolute)
        case CaseFields.Text.view.rawValue where isList:
            fields.view = value
            imageViews = values
        case "report": report = value
        case "report_file": reportPath = absolute(value)
        case CaseFields.findingsKey: fields.findings = isList ? values.filter { !$0.isEmpty } : Self.list(value)
        // Lists of labels are findings by another name, where a data set has no findings.
        case "labels" where isList: if fields.findings.isEmpty { fields.findings = values.filter { !$0.isEmpty } }
        default: fields.set(key, to: isList ? values.filter { !$0.isEmpty }.joined(separator: "; ") : value)
        }
    }

    /// The parts of a text that means a list: between semicolons or bars.
    static func list(_ text: String) -> [String] {
        text.split { $0 == ";" || $0 == "|" }.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    /// The case with its report read and its images chosen: of several those that look readable, or else the first.
    ///
    /// - Throws: `.badRequest` or `.io`, which refuse this case alone.
    package func input() throws(ArchiveError) -> CaseInput {
        if let fault { throw ArchiveError(.badRequest, fault) }
        var input = CaseInput(id: id, report: report, fields: fields)
        input.origin = origin
        input.origin?.texts = textDigests
        let namesPatient = fields.patient != nil || fields.metadata.keys.contains(where: ReportKeys.tellsPatient)
        // Somebody gave a row its id.
        input.origin?.tellsPatient = isRow || namesPatient
        input.origin?.isNamedByRow = isRow && !namesPatient
        if !leads.isEmpty {
            let document = try readReports()
            input.report = document.text
            input.document = document
        } else if report == nil, let reportPath, let document = try message(at: reportPath) {
            input.report = document.text
            input.document = document
        } else if report == nil, let reportPath {
            let bytes = try withArchiveErrors {
                try FileIO.read(reportPath, limitInBytes: ArchiveLimits.reportByteCount)
            }
            guard let read = TextEncoding.text(bytes) else {
                throw ArchiveError(
                    .badRequest,
                    "\(reportPath): the report is text neither of UTF-8, nor of UTF-16 with its mark, nor of Windows-1252; "
                        + "convert it")
            }
            guard !read.text.utf8.contains(0) else {
                throw ArchiveError(.badRequest, "\(reportPath): the report holds a NUL")
            }
            input.report = read.text
            input.origin?.hasGuessedText = read.isGuessed
        }
        // A message names its patient or its order.
        if input.document != nil {
            input.origin?.tellsPatient = true
            input.origin?.isNamedByRow = false
        }
        let views = imageViews.count == imagePaths.count ? imageViews.map { Optional($0) } : []
        var images = imagePaths.indices.map { CaseImage(.file(imagePaths[$0]), view: views.isEmpty ? nil : views[$0]) }
        if images.count > 1 {
            // One that cannot be opened now may be a picture all the same: the case waits for it.
            for path in imagePaths {
                do { _ = try FileIO.read(path, limitInBytes: 0) } catch {
                    if error.mayPass || error.code == .system(errno: ELOOP) {
                        throw ArchiveError(.io, error.description)
                    }
                }
            }
            let readable = imagePaths.indices.filter { Self.looksReadable(imagePaths[$0]) }
            images = readable.isEmpty ? [images[0]] : readable.map { images[$0] }
            if !readable.isEmpty && readable.count < imagePaths.count {
                for path in imagePaths where !Self.looksReadable(path) { input.lostImages.append(Self.lost(path)) }
            }
        }
        input.images = images
        return input
    }

    /// SHA-256 of what its files other than images hold, and of its row, whatever they are called.
    private var textDigests: [[UInt8]] {
        var digests = leads.map(\.digest)
        for path in [reportPath].compactMap(\.self) + recordPaths {
            // Whoever reads it says why it cannot be read.
            let bytes = (try? FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount)) ?? []
            digests.append(ImageStore.digest(bytes))
        }
        if isRow || report != nil {
            var writer = ByteWriter()
            writer.optionalText(report)
            fields.encode(to: &writer)
            digests.append(ImageStore.digest(writer.bytes))
        }
        return digests
    }

    // MARK: Looking at files

    /// Enough to tell an image by its first bytes.
    private static let headByteCount = 256

    private static func head(of path: String) -> [UInt8]? { FileHead.read(path, byteCount: headByteCount) }

    private static func looksReadable(_ path: String) -> Bool { head(of: path).map(ImageKind.isImage) ?? false }

    /// Why a file is no image.
    private static func lost(_ path: String) -> LostImage {
        do { _ = try FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount) } catch {
            return LostImage(path: path, reason: error.description)
        }
        return LostImage(path: path, reason: LostImage.isNone)
    }

    /// Whether the file begins as an image does.
    static func looksLikeImage(_ path: String) -> Bool { looksReadable(path) }

    /// The pixels of an image that can be decoded and looks whole; nil for another file.
    static func pixelCount(_ path: String) -> Int? {
        guard let bytes = try? FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount) else { return nil }
        return ImageDecoder.pixelCount(of: bytes)
    }
}

/// What a source holds at one place.
package enum SourceItem: Sendable, Equatable {
    case found(SourceCase)
    case refused(place: String, reason: String)
}
