import Foundation
import HilumCore

/// What the archive knows of files beyond what still lies there.
///
///     images/1.png  reports/1.txt   ─ the image leaves ─→  reports/1.txt: still the report of the case images/1 (`joined`)
///     s1.png        s1_lateral.png  ─ one leaves ──────→  s1.png: the case s1 with both images (`complete`)
extension SourceCase {
    /// Which images of a stored case stay beside those of its files.
    package enum Keeping: Sendable {
        /// Those whose files have gone.
        case gone
        /// Those that are not among the files: they lie where nobody looked.
        case others
        /// None.
        case none
    }

    /// The case that files are, where the archive knows more of them: a report whose image has left belongs to the case of both.
    ///
    /// - Parameters:
    ///   - root: the source, absolute.
    ///   - get: gives a stored case by its id.
    package func joined(below root: String, get: (String) throws -> CaseRecord?) rethrows -> SourceCase {
        guard imagePaths.isEmpty, reportPath != nil else { return self }
        var partner: String?
        for id in FilePlace.idsOfImages(forReport: id) {
            guard let known = try get(id), known.hasImage, known.source == "\(root)/\(id)" else { continue }
            // Two trees of images: the report may belong to either.
            if partner != nil { return self }
            partner = id
        }
        guard let partner else { return self }
        var found = self
        found.id = partner
        found.name = "\(root)/\(partner)"
        return found
    }

    /// Completes an input by what the stored case of these files holds and they do not.
    ///
    /// - Parameters:
    ///   - known: was read from the same source.
    ///   - isTied: whether one of its files is there as it was (`SourceVerdict.own`).
    ///   - keepsFields: whether the stored fields stay where no file beside the images says them.
    package func complete(
        _ input: inout CaseInput, from known: CaseRecord, isTied: Bool, keeping: Keeping, keepsFields: Bool
    ) {
        let isReportAlone = input.images.isEmpty && known.hasImage
        let staying = isReportAlone ? [] : pathsThatStay(of: known, keeping)
        let fieldsStay =
            recordPaths.isEmpty && (keepsFields || (isReportAlone || !staying.isEmpty) && saysNothingButItsPlace)
        // A text that nobody looked for belongs to no other case.
        let reportStays = input.report == nil && (keeping == .others || !isElsewhere(known.report))
        let places = known.images.map(\.path)
        var carried = CarriedFields(
            fields: fieldsStay ? known.fields : nil, report: reportStays ? known.report : nil,
            identity: Self.identity(known.fields, of: places.first), imagePaths: staying)
        carried.said = Self.identity(input.fields, of: imagePaths.first ?? reportPath)
        carried.digests = Set(known.images.map(\.digest))
        let pictures = Set(places.map(Self.picture))
        carried.samePictures = Set(imagePaths.filter { places.contains($0) || pictures.contains(Self.picture(of: $0)) })
        carried.isTied = isTied || isTiedToReport
        carried.storedReport = known.report
        carried.match = match
        carried.waitingID = waiting?.id
        carried.isOverwritten = isReportAlone && known.images.contains(where: Self.isOverwritten)
        carried.mayLeave = !isRow
        carried.hasAllLeft = keeping == .gone
        input.carried = carried
        if isReportAlone { input.keepsImages = true }
    }

    /// Without the patient that the path of a file names: all that ever lay there has that one.
    private static func identity(_ fields: CaseFields, of path: String?) -> CaseFields {
        var identity = fields
        if let path, identity.patient == FilePlace.patient(of: path) { identity.patient = nil }
        return identity
    }

    /// Whether another picture lies where this image lay.
    private static func isOverwritten(_ image: CaseRecord.Image) -> Bool {
        guard access(image.path, F_OK) == 0 else { return false }
        guard let found = try? FileIO.digest(image.path) else { return true }
        return found.sha256 != image.digest
    }

    /// Whether its fields follow from where its files lie, and no table says more.
    private var saysNothingButItsPlace: Bool {
        var rest = fields
        rest.patient = nil
        rest.view = nil
        return rest == CaseFields()
    }

    private func pathsThatStay(of known: CaseRecord, _ keeping: Keeping) -> Set<String> {
        guard keeping != .none else { return [] }
        let pictures = Set(imagePaths.map(Self.picture))
        let paths = known.images.map(\.path).filter { path in
            // Another file of the same picture has taken its place.
            guard !pictures.contains(Self.picture(of: path)) else { return false }
            var status = stat()
            // A file that is there belongs to this case no longer. One that cannot be seen may.
            return keeping == .others || lstat(path, &status) != 0
        }
        return Set(paths)
    }

    private static func picture(of path: String) -> String {
        FilePlace(path: String(path.drop { $0 == "/" }), role: .image).picture
    }

    /// Whether the text of a case lies in a file that was beside its images and belongs to another case now: two studies came to share
    /// a folder.
    private func isElsewhere(_ report: String?) -> Bool {
        guard let report else { return false }
        var folders: Set<String> = []
        for path in imagePaths {
            var above = FilePath.folder(of: path)
            while FilePath.isBeneath(above, folder), folders.insert(above).inserted {
                above = FilePath.folder(of: above)
            }
        }
        return folders.contains { above in
            ["\(above)/report.txt", "\(above).txt"].contains { path in
                let bytes = try? FileIO.read(path, limitInBytes: ArchiveLimits.reportByteCount)
                return bytes.flatMap(TextEncoding.text)?.text.hasSuffix(report) ?? false
            }
        }
    }

    /// The source that it is below; the file's folder for a row.
    package var folder: String {
        name.hasSuffix("/" + id) ? String(name.dropLast(id.count + 1)) : FilePath.folder(of: name)
    }
}
