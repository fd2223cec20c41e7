import Foundation
import HilumCore

/// A case as a source describes it; nothing is read of its files yet.
struct SourceCase: Sendable, Equatable {
    /// Names the place in refusals: `path:line`, or the file.
    var place: String
    /// Names the source in the journal: manifest and id, or the file.
    var name: String
    var id = ""
    /// Absolute; those that can be read are stored, each with a vector of its own.
    var imagePaths: [String] = []
    /// From where each image was made; empty, or as many as there are images.
    var imageViews: [String] = []
    /// Absolute.
    var reportPath: String?
    var report: String?
    var fields = CaseFields()

    /// Changes when the row, its files' sizes or their times change, or when this program reads sources in a new way.
    var fingerprint: [UInt8] {
        var hash = SHA256()
        var writer = ByteWriter()
        writer.text("hilum-source-3")
        for field in [id, name] { writer.text(field) }
        writer.optionalText(report)
        fields.encode(to: &writer)
        for view in imageViews { writer.text(view) }
        for path in imagePaths + [reportPath].compactMap({ $0 }) {
            writer.text(path)
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

    /// Takes one field of a manifest; keys that mean something are named in `cli.md`, others are metadata.
    ///
    /// - Parameter folder: what relative paths begin at.
    mutating func set(_ key: String, _ values: [String], isList: Bool, folder: String) {
        guard let value = values.first(where: { !$0.isEmpty }) else { return }
        func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(folder)/\(path)" }
        func list() -> [String] {
            (isList ? values : value.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) })
                .filter { !$0.isEmpty }
        }
        switch key {
        case "id": id = value
        case "image": imagePaths = list().map(absolute)
        case CaseFields.Text.view.rawValue where isList:
            fields.view = value
            imageViews = values
        case "report": report = value
        case "report_file": reportPath = absolute(value)
        case CaseFields.findingsKey: fields.findings = list()
        // Lists of labels are findings by another name, where a data set has no findings.
        case "labels" where isList: if fields.findings.isEmpty { fields.findings = list() }
        default: if !isList || CaseFields.Text(rawValue: key) != nil { fields.set(key, to: value) }
        }
    }

    /// The case with its report read and its images chosen: of several those that look readable, or else the first.
    ///
    /// - Throws: `.badRequest` or `.io`, which refuse this case alone.
    func input() throws(ArchiveError) -> CaseInput {
        var input = CaseInput(id: id, report: report, fields: fields)
        if report == nil, let reportPath {
            let bytes = try withArchiveErrors {
                try FileIO.read(reportPath, limitInBytes: ArchiveLimits.reportByteCount)
            }
            guard let text = String(validating: Manifest.withoutMark(bytes[...]), as: UTF8.self) else {
                throw ArchiveError(.badRequest, "\(reportPath): the report is not UTF-8 text; convert it")
            }
            input.report = text
        }
        let views = imageViews.count == imagePaths.count ? imageViews.map { Optional($0) } : []
        var images = imagePaths.indices.map { CaseImage(.file(imagePaths[$0]), view: views.isEmpty ? nil : views[$0]) }
        if images.count > 1 {
            let readable = imagePaths.indices.filter { Self.looksReadable(imagePaths[$0]) }
            images = readable.isEmpty ? [images[0]] : readable.map { images[$0] }
        }
        input.images = images
        return input
    }

    /// Enough to tell an image by its first bytes.
    private static let headByteCount = 256

    private static func looksReadable(_ path: String) -> Bool {
        guard let file = FileHandle(forReadingAtPath: path) else { return false }
        defer { try? file.close() }
        guard let head = try? file.read(upToCount: headByteCount) else { return false }
        return ImageKind.isImage([UInt8](head))
    }
}

/// What a source holds at one place.
enum SourceItem: Sendable, Equatable {
    case found(SourceCase)
    case refused(place: String, reason: String)
}
