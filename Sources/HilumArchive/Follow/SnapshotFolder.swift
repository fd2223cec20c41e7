import Foundation
import HilumCore

/// A snapshot that a copy may be made of.
public struct FoundSnapshot: Sendable, Equatable {
    /// Its folder.
    public let path: String
    /// The SHA-256 of its store.
    public let sha256: String
    /// When it was begun, by the clock of the machine that made it.
    public let created: Date

    /// The newest snapshot among `folder` itself and the folders in it; nil where there is none.
    ///
    /// What is being copied there has no `snapshot.json` yet, or one that is damaged, and is passed over.
    public static func newest(in folder: String) -> FoundSnapshot? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let found = ([folder] + names.map { "\(folder)/\($0)" }).compactMap { FoundSnapshot($0) }
        return found.max { ($0.created, $0.path) < ($1.created, $1.path) }
    }

    private init?(_ path: String) {
        guard let manifest = try? SnapshotManifest(of: path),
            let created = try? Date(manifest.created, strategy: .iso8601),
            let store = manifest.files.first(where: { $0.path == "data.mdb" })
        else { return nil }
        self.path = path
        self.created = created
        sha256 = store.sha256
    }
}
