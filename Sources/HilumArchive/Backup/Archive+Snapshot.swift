import Foundation
import HilumCore
import LMDB

extension Archive {
    /// Writes a copy of the archive to the new folder `target`: one commit, without free pages, every file with its SHA-256.
    ///
    /// Searches and writes go on. Pages that are freed meanwhile cannot be used again until the store is copied, so it may grow. The folder
    /// has its name only when it is whole and on disk.
    /// - Parameters:
    ///   - interrupted: ends it, and leaves nothing.
    ///   - progress: told after each image how many are copied, and of how many; on the calling thread.
    /// - Throws: `.exists` for a `target` that is there, `.notFound` for a missing folder above it, `.badRequest` for one in the archive,
    ///   `.damaged` when the store is, `.io`, also for a key that is missing or another one: what is made without it would be no backup.
    public func snapshot(
        to target: String, interrupted: AtomicFlag? = nil, progress: ((_ done: Int, _ total: Int) -> Void)? = nil
    ) throws -> SnapshotSummary {
        try withArchiveErrors {
            heldImages.withLock { $0.snapshots += 1 }
            defer { releaseImages() }
            if let fault = try Self.keyFault(store) { throw fault }
            return try SnapshotWriter(store: store, interrupted: interrupted, progress: progress).write(to: target)
        }
    }

    /// The same of an archive that this process need not have open, also of an older format, and beside a process that writes to it.
    ///
    /// - Throws: as `snapshot(to:)`.
    public static func snapshot(
        of path: String, to target: String, interrupted: AtomicFlag? = nil,
        progress: ((_ done: Int, _ total: Int) -> Void)? = nil
    ) throws -> SnapshotSummary {
        try withArchiveErrors {
            // LMDB trusts the pages that it copies.
            if let finding = try verifyPages(path).findings.first {
                throw ArchiveError(
                    .damaged,
                    "\(path): the archive is damaged (\(finding)); run `hilum check`, and restore an older snapshot")
            }
            let store = try Store(path: path, mode: .readOnly, mapSizeInBytes: 1 << 20)
            defer { store.environment.close() }
            _ = try formatVersion(store)
            if let fault = try keyFault(store) { throw fault }
            return try SnapshotWriter(store: store, interrupted: interrupted, progress: progress).write(to: target)
        }
    }

    /// Removes files of images that no case uses, now or when no snapshot is being made.
    func removeImages(_ digests: [[UInt8]]) {
        for digest in heldImages.withLock({ $0.release(digests) }) { ImageStore.remove(digest, in: path) }
    }

    private func releaseImages() {
        let unused = heldImages.withLock { $0.end() }
        guard !unused.isEmpty else { return }
        writing.lock()
        defer { writing.unlock() }
        do {
            try store.environment.read { transaction in
                for digest in unused where try store.get(transaction, .images, digest, { _ in true }) == nil {
                    ImageStore.remove(digest, in: path)
                }
            }
        } catch {
            Log.warning("images that no case uses were not removed: \(error)")
        }
    }
}
