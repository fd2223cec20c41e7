import Foundation
import HilumCore
import HilumImaging

/// Finds the cases of a SOURCE: a manifest, a folder, or one file.
///
///     folder ─ FolderWalk ─┬─ cases.jsonl, cases.csv at any depth ─ Manifest, for all that lies beside and below
///                          ├─ tables and XML of known data sets ─── KnownLayout, for the images that they name
///                          └─ the rest ──────────────────────────── CaseFinder
///                             messages, structured reports ──────── SourceReports, for all of these cases
struct SourceScanner {
    /// What a source holds.
    struct Scan {
        var items: [SourceItem] = []
        var passedOver = PassedOver()
        /// How the source was read, a sentence each.
        var notes: [String] = []

        /// Gives the reports of messages to their cases.
        mutating func join(_ reports: inout SourceReports, root: String) {
            reports.join(&items, root: root)
            items += reports.refused.map { .refused(place: $0.place, reason: $0.reason) }
            passedOver.add(reports.passedOver)
        }
    }

    /// - Throws: `.notFound` for a path that is not there or a folder without cases, `.badRequest` for another kind of file.
    static func scan(_ source: String, preset: KnownLayout? = nil) throws(ArchiveError) -> Scan {
        guard let path = realPath(source) else {
            throw ArchiveError(.notFound, "\(source): there is no such file or folder")
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return try folder(path, source, preset) }
        // A pipe would be waited for without end.
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ArchiveError(.badRequest, "\(source): this is neither a file nor a folder")
        }
        if ["jsonl", "ndjson", "csv", "tsv"].contains(FileRole.ending(of: path)) {
            return Scan(items: try Manifest.read(path))
        }
        return try file(path, source)
    }

    /// Reads one file, with the files beside it that are one case with it.
    private static func file(_ path: String, _ source: String) throws(ArchiveError) -> Scan {
        let folder = FilePath.folder(of: path)
        // A folder that cannot be listed may still give the file.
        let twins = NameTwins((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        let named = FilePath.name(of: path)
        guard !twins.others.contains(where: { $0.utf8.elementsEqual(named.utf8) }) else {
            throw ArchiveError(
                .badRequest,
                "\(source): another file has this name in another Unicode spelling; give one of them another name")
        }
        let file = FoundFile(path: named, hasTwin: twins.hasTwin(named))
        let place = FilePlace(path: file.path, role: file.role)
        var files = [file]
        for name in twins.names where name != file.path {
            let other = FoundFile(path: name, hasTwin: twins.hasTwin(name))
            var status = stat()
            guard FilePlace(path: name, role: other.role).group == place.group,
                lstat("\(folder)/\(name)", &status) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { continue }
            if case .passedOver = other.role { continue }
            files.append(other)
        }
        var finder = CaseFinder(root: folder)
        var own = [file]
        var ownReports = finder.takeReports(from: &own)
        if own.isEmpty { return try messages(&ownReports, source, finder) }
        if let reason = DICOMGlance(file, at: path)?.reasonToRefuse {
            throw ArchiveError(.badImage, "\(source): \(ImagingError(.noPicture(reason)))")
        }
        if file.role == .markup,
            let found = CaseFinder.markup(file, root: folder, among: FolderWalk(folder, isDeep: false).files)
        {
            return Scan(items: [.found(found.found)], passedOver: finder.passedOver)
        }
        var reports = finder.takeReports(from: &files)
        let found = finder.cases(of: files)
        guard let item = found.first(where: { $0.paths.contains(path) }) ?? found.first(where: { $0.id == place.id }),
            file.role == .image || file.role == .text
        else {
            throw ArchiveError(
                .badRequest,
                "\(source): neither an image (PNG, JPEG, DICOM), a report (.txt, HL7, structured report, XML of Open-i) "
                    + "nor a manifest (.jsonl, .csv)")
        }
        var scan = Scan(items: [.found(item)])
        scan.join(&reports, root: folder)
        // Reports of others lie there too.
        scan.items = scan.items.prefix(1).map { found in
            guard case .found(var item) = found else { return found }
            item.isPart = true
            return .found(item)
        }
        scan.passedOver = finder.passedOver
        return scan
    }

    /// The reports of one file that somebody named; the archive may know their cases.
    private static func messages(
        _ reports: inout SourceReports, _ source: String, _ finder: CaseFinder
    ) throws(ArchiveError) -> Scan {
        var scan = Scan(passedOver: finder.passedOver)
        scan.join(&reports, root: finder.root)
        guard !scan.items.isEmpty else {
            let seen = scan.passedOver.sorted.map(\.reason).joined(separator: ", ")
            throw ArchiveError(.badRequest, "\(source): no report in it; it holds \(seen.isEmpty ? "nothing" : seen)")
        }
        return scan
    }

    /// The one absolute path of a file or folder, whatever links and dots led there; nil if there is none.
    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func folder(_ root: String, _ source: String, _ preset: KnownLayout?) throws(ArchiveError) -> Scan {
        let walk = FolderWalk(root)
        var scan = Scan(passedOver: walk.passedOver)
        var rest = walk.files
        if preset == nil || preset == .manifest { try readManifests(root, &rest, &scan) }
        if preset != .manifest {
            KnownLayout.read(root, &rest, &scan, only: preset)
            let pairsTheRest = [nil, .folder, .dicom, .mimic].contains(preset)
            if pairsTheRest || scan.items.isEmpty {
                var finder = CaseFinder(root: root)
                var reports = finder.takeReports(from: &rest)
                scan.items += finder.cases(of: rest).map { .found($0) }
                scan.join(&reports, root: root)
                scan.passedOver.add(finder.passedOver)
                scan.notes += finder.unreadTags.prefix(PassedOver.placeLimit).map { path in
                    "\(path): its tags cannot be read to their end, so it is a case by its path, not by its study"
                }
            } else {
                scan.passedOver.add("not named by the data set's tables", rest.count)
            }
        }
        guard !scan.items.isEmpty else {
            let seen = scan.passedOver.sorted.map { "\($0.reason): \($0.count)" }.joined(separator: ", ")
            throw ArchiveError(
                .notFound,
                "\(source): no cases.jsonl, no images and no texts in this folder"
                    + (seen.isEmpty ? "" : "; passed over: \(seen)"))
        }
        return scan
    }

    /// Reads every manifest for its own folder: all that lies beside and below it is its business.
    private static func readManifests(
        _ root: String, _ rest: inout [FoundFile], _ scan: inout Scan
    ) throws(ArchiveError) {
        // Outer folders first, and in one folder cases.jsonl before cases.csv.
        let manifests = rest.filter { $0.role == .manifest }.sorted {
            ($0.folder.utf8.count, $0.folder, $1.path) < ($1.folder.utf8.count, $1.folder, $0.path)
        }
        for manifest in manifests where rest.contains(manifest) {
            let path = "\(root)/\(manifest.path)"
            let items: [SourceItem]
            do { items = try Manifest.read(path) } catch {
                guard !manifest.folder.isEmpty else { throw error }
                scan.items.append(.refused(place: path, reason: error.reason))
                rest.removeAll { $0 == manifest }
                continue
            }
            scan.items += items
            func isBelow(_ path: String) -> Bool {
                manifest.folder.isEmpty || FilePath.isBeneath(path, manifest.folder)
            }
            var named: Set<String> = [path]
            for case .found(let found) in items { named.formUnion(found.paths) }
            let unnamed = rest.count { isBelow($0.path) && !named.contains("\(root)/\($0.path)") }
            scan.passedOver.add("not named by \(FilePath.name(of: path))", unnamed)
            rest.removeAll { isBelow($0.path) }
        }
    }
}
