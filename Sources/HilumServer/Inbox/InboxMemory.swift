import Foundation
import HilumArchive
import HilumCore

/// What the watcher of an inbox remembers of files that do not lie there any more, or not yet.
///
/// Thread rule: a value type; one owner at a time.
struct InboxMemory: Sendable {
    /// A case that a manifest or an XML file makes with images whose names do not say so.
    private struct Owner: Sendable {
        let file: String
        let id: String
    }

    /// The case of an image, by the image's path; nil until the archive was asked.
    private var owners: [String: Owner]?
    /// By the name without ending of an image that is not there: the XML files that name it.
    private var awaited: [String: Set<FoundFile>] = [:]
    /// By the files of a case that could not be taken: how they were, and how often it failed.
    private var failures: [[String]: (stamps: [InboxLedger.Stamp], count: Int)] = [:]
    /// From so many failures on, those of files that have left are looked for.
    private var failureLimit = Self.leastFailureLimit

    private static let leastFailureLimit = 64

    /// The files of messages that hold a report of a case, by its id.
    private var reports: [String: Set<String>] = [:]
    /// From so many cases on, those whose files of messages have left are looked for.
    private var reportLimit = Self.leastReportLimit

    private static let leastReportLimit = 4096

    /// A report of a case lies in a file of messages.
    ///
    /// - Complexity: O(1) on average, as all are gone through when they have doubled.
    mutating func noteReport(_ path: String, id: String) {
        if reports.count >= reportLimit {
            reports = reports.compactMapValues { paths in
                let left = paths.filter { !Self.isGone($0) }
                return left.isEmpty ? nil : left
            }
            reportLimit = max(Self.leastReportLimit, 2 * reports.count)
        }
        reports[id, default: []].insert(path)
    }

    /// Images took over a report that had waited under another id.
    mutating func moveReports(of former: String, to id: String) {
        guard former != id, let paths = reports.removeValue(forKey: former) else { return }
        reports[id, default: []].formUnion(paths)
    }

    /// Of how many cases it is remembered where their reports lie.
    var reportedCaseCount: Int { reports.count }

    /// The files of messages that hold a report of a case.
    func reportFiles(of id: String) -> Set<String> { reports[id] ?? [] }

    // MARK: Cases that could not be taken

    /// A case could not be taken, for a reason that may pass.
    ///
    /// - Returns: how often now, since one of its files changed.
    /// - Complexity: O(1) on average, as the list of failures is gone through when it has doubled.
    mutating func noteFailure(of paths: [String], _ stamps: [InboxLedger.Stamp]) -> Int {
        if failures.count >= failureLimit {
            failures = failures.filter { !$0.key.contains(where: Self.isGone) }
            failureLimit = max(Self.leastFailureLimit, 2 * failures.count)
        }
        let known = failures[paths].flatMap { $0.stamps == stamps ? $0.count : nil } ?? 0
        failures[paths] = (stamps, known + 1)
        return known + 1
    }

    /// How many cases are remembered that could not be taken.
    var failureCount: Int { failures.count }

    /// Whether nobody waits for a file any more.
    private static func isGone(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) != 0
    }

    /// A case was taken.
    mutating func forgetFailures(of paths: [String]) {
        if !failures.isEmpty { failures[paths] = nil }
    }

    // MARK: Files that named images and have gone

    /// A manifest or an XML file was read, and these cases are its.
    mutating func note(_ file: String, cases: [SourceCase]) {
        for item in cases { for path in item.imagePaths { owners?[path] = Owner(file: file, id: item.id) } }
    }

    /// Whether an image belongs to another stored case, of a manifest or an XML file that has left the inbox. The case stays, so its image
    /// makes no other one.
    ///
    /// - Parameter id: of the case that the image would be by its own name.
    /// - Complexity: O(1), and O(cases) at the first call.
    mutating func isOfMissingFile(
        _ path: String, id: String, _ archive: any ServedArchive, below folder: String
    ) throws -> Bool {
        let known = try owners ?? Self.owners(archive, below: folder)
        owners = known
        guard let owner = known[path], owner.id != id, access(owner.file, F_OK) != 0, errno == ENOENT,
            // The case may have gone since, or have got other images.
            let record = try archive.get(id: owner.id), record.images.contains(where: { $0.path == path })
        else { return false }
        return record.source.map { Self.file(of: $0, record, below: folder) == owner.file } ?? false
    }

    private static func owners(_ archive: any ServedArchive, below folder: String) throws -> [String: Owner] {
        var found: [String: Owner] = [:]
        for (id, source) in try archive.sources(below: folder + "/") {
            guard let record = try archive.get(id: id), let file = file(of: source, record, below: folder) else {
                continue
            }
            for image in record.images { found[image.path] = Owner(file: file, id: id) }
        }
        return found
    }

    /// The file that says by its content which images are a case; nil for a case whose images say it by their names or tags.
    private static func file(of source: String, _ record: CaseRecord, below folder: String) -> String? {
        if source.hasSuffix("#" + record.id) { return String(source.dropLast(record.id.count + 1)) }
        guard record.fields.metadata["study"] != record.id else { return nil }
        let group = FilePlace.group(ofID: record.id)
        let isNamed = record.images.allSatisfy { image in
            FilePath.relative(image.path, to: folder).map { FilePlace(path: $0, role: .image).group == group } ?? false
        }
        return isNamed ? nil : source + ".xml"
    }

    // MARK: Images that XML files wait for

    /// An XML file names images that are not there.
    mutating func wait(for names: [String], file: FoundFile) {
        for name in names { awaited[name, default: []].insert(file) }
    }

    /// The XML files that wait for one of these files, and do so no longer.
    mutating func waiting(for files: [FoundFile]) -> Set<FoundFile> {
        guard !awaited.isEmpty else { return [] }
        var found: Set<FoundFile> = []
        for file in files where file.role == .image {
            let name = FilePath.withoutEnding(FilePath.name(of: file.path))
            found.formUnion(awaited.removeValue(forKey: name) ?? [])
        }
        return found
    }
}
