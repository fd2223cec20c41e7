import Foundation
import HilumArchive

/// What the watcher of an inbox remembers of files that do not lie there any more, or not yet.
///
/// Thread rule: a value type; one owner at a time.
struct InboxMemory: Sendable {
    /// Manifests whose rows are stored; nil until the archive was asked.
    private var manifests: Set<String>?
    /// Those of them that have gone when `images` was made.
    private var gone: Set<String> = []
    /// The images of rows whose manifest has gone.
    private var images: Set<String> = []
    /// By the name without ending of an image that is not there: the XML files that name it.
    private var awaited: [String: Set<FoundFile>] = [:]

    // MARK: Manifests that have gone

    /// A manifest was read.
    mutating func note(manifest: String) { manifests?.insert(manifest) }

    /// Whether an image belongs to a stored row of a manifest that has left the inbox. The case stays, so its image makes no other one.
    ///
    /// - Complexity: O(manifests), and O(cases) when one of them has gone since the last call.
    mutating func isOfMissingManifest(_ path: String, _ archive: any ServedArchive, below folder: String) throws -> Bool
    {
        if manifests == nil {
            manifests = Set(
                try archive.sources(below: folder + "/").compactMap { Self.manifest(of: $0.source, id: $0.id) })
        }
        let missing = (manifests ?? []).filter { access($0, F_OK) != 0 && errno == ENOENT }
        if missing != gone {
            gone = missing
            images = []
            for (id, source) in try archive.sources(below: folder + "/") {
                guard let manifest = Self.manifest(of: source, id: id), missing.contains(manifest),
                    let known = try archive.get(id: id)
                else { continue }
                images.formUnion(known.images.map(\.path))
            }
        }
        return images.contains(path)
    }

    private static func manifest(of source: String, id: String) -> String? {
        source.hasSuffix("#" + id) ? String(source.dropLast(id.count + 1)) : nil
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
            let name = (((file.path as NSString).lastPathComponent) as NSString).deletingPathExtension
            found.formUnion(awaited.removeValue(forKey: name) ?? [])
        }
        return found
    }
}
