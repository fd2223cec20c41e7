import HilumCore
import HilumDocuments
import HilumImaging

extension CaseFinder {
    /// What a file holds, where it holds reports in another form than text; nil for every other file.
    ///
    /// - Throws: `.unreadable` for a file of messages that cannot be opened now.
    package mutating func reportKind(of file: FoundFile) throws(DocumentError) -> ReportFile.Kind? {
        switch file.role {
        case .message: return try ReportFile.kind(at: absolute(file.path))
        case .text:
            return FileHead.read(absolute(file.path), byteCount: ReportFile.headByteCount)
                .flatMap { ReportFile.isHL7($0) ? .hl7 : nil }
        case .image where DICOMGlance.isNamedAsDICOM(file.path):
            if let glance = glance(at: file) { return glance.isReport ? .structuredReport : nil }
            return FileHead.read(absolute(file.path), byteCount: ReportFile.headByteCount)
                .flatMap { ReportFile.isHL7($0) ? .hl7 : nil }
        default: return nil
        }
    }

    /// Takes the files that hold reports in another form than text away from `files`, and reads them.
    mutating func takeReports(from files: inout [FoundFile]) -> SourceReports {
        var reports = SourceReports()
        var rest: [FoundFile] = []
        for file in files {
            let kind: ReportFile.Kind?
            do throws(DocumentError) { kind = try reportKind(of: file) } catch {
                reports.refused.append(.init(place: absolute(file.path), reason: error.description, mayPass: true))
                continue
            }
            if let kind {
                reports.read(file, at: absolute(file.path), kind, &self)
            } else if file.role == .message {
                passOver("other kind (.\(FileRole.ending(of: file.path)) without a message)")
            } else {
                rest.append(file)
            }
        }
        files = rest
        return reports
    }

    /// The reports of one file of an inbox.
    package static func reports(in file: FoundFile, root: String) -> SourceReports {
        var finder = CaseFinder(root: root)
        var files = [file]
        var reports = finder.takeReports(from: &files)
        reports.passedOver = finder.passedOver
        if !files.isEmpty {
            reports.refused.append(
                .init(place: finder.absolute(file.path), reason: "it holds no message and no report"))
        }
        return reports
    }
}
