import CHilumSystem
import Foundation
import HilumCore
import LMDB

/// What a restored archive came to.
public struct RestoredArchive: Sendable, Equatable {
    /// Cases in it.
    public let cases: Int
    /// Kept images in it.
    public let imageCount: Int
    /// Kept images that the snapshot lacks.
    public let lostImageCount: Int
    /// Where the archive lies that stood in its place; nil where there was none.
    public let former: String?
}

extension Archive {
    /// Makes the archive `path` from a snapshot.
    ///
    /// Everything is copied beside it and checked first: sizes and SHA-256 of all files, every page and checksum of the store, its
    /// records. An archive that stands in its place is exchanged in one step and kept under another name.
    /// - Parameters:
    ///   - replaces: whether an archive at `path` may be exchanged.
    ///   - progress: told after each file how many are copied, and of how many.
    /// - Throws: `.notFound` and `.damaged` for the snapshot, `.exists`, `.busy` for an archive that is written to, `.io`. Then what stood
    ///   at `path` is as it was.
    public static func restore(
        _ snapshot: String, to path: String, replaces: Bool = false, asCopy: Bool = false,
        interrupted: AtomicFlag? = nil,
        progress: ((_ done: Int, _ total: Int) -> Void)? = nil
    ) throws -> RestoredArchive {
        let path = StagingFolder.withoutSlash(path)
        return try withArchiveErrors {
            let manifest = try SnapshotManifest(of: snapshot)
            guard manifest.format <= Store.newestFormat else {
                throw ArchiveError(
                    .stale,
                    "\(snapshot): the snapshot has format \(manifest.format), this program reads \(Store.newestFormat); use a newer one"
                )
            }
            let stands = try whatStands(at: path, replaces: replaces)
            let folder = FilePath.folder(of: path)
            guard access(folder, W_OK) == 0 else {
                throw ArchiveError(
                    errno == ENOENT ? .notFound : .io,
                    "\(folder): \(String(cString: strerror(errno))); choose another place")
            }
            let staging = try StagingFolder(beside: path, suffix: "restore")
            do {
                try copy(manifest, from: snapshot, to: staging.path, interrupted, progress)
                // An older format is upgraded by the first who opens the archive in its place. Whoever has no other snapshot than one
                // without its key is told so by the caller, and has its cases.
                let report =
                    manifest.format < Store.formatVersion
                    ? try verifyPages(staging.path) : try checkBesideKey(at: staging.path, deep: false).report
                let isLost = { (finding: String) in
                    manifest.lostImageCount > 0 && finding.hasPrefix("the kept image")
                }
                if let finding = report.findings.first(where: { !isLost($0) }) {
                    throw ArchiveError(.damaged, "\(snapshot): the snapshot is damaged (\(finding)); use another one")
                }
                if manifest.format >= Store.formatVersion {
                    let store = try Store(path: staging.path, mode: .readWrite, mapSizeInBytes: 64 << 20)
                    defer { store.environment.close() }
                    try store.set(isCopy: asCopy)
                } else if asCopy {
                    throw ArchiveError(
                        .stale, "\(snapshot): the snapshot is of an older release; make one with the present one")
                }
                try staging.complete()
                let former = try publish(staging.path, as: path, over: stands)
                return RestoredArchive(
                    cases: manifest.cases, imageCount: manifest.imageCount, lostImageCount: manifest.lostImageCount,
                    former: former)
            } catch {
                staging.abandon()
                if interrupted?.isRaised == true { throw ArchiveError(.io, "interrupted; nothing was restored") }
                throw error
            }
        }
    }

    private enum Standing {
        case nothing, emptyFolder, archive
    }

    private static func whatStands(at path: String, replaces: Bool) throws(ArchiveError) -> Standing {
        var status = stat()
        guard lstat(path, &status) == 0 else { return .nothing }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw ArchiveError(.exists, "\(path): this is no folder; choose another name")
        }
        if access("\(path)/data.mdb", F_OK) == 0 {
            guard replaces else {
                throw ArchiveError(
                    .exists,
                    "\(path): an archive stands here already; --replace exchanges it and keeps it under another name")
            }
            return .archive
        }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path), names.isEmpty else {
            throw ArchiveError(.exists, "\(path): the folder holds other files; choose a new or empty one")
        }
        return .emptyFolder
    }

    private static func copy(
        _ manifest: SnapshotManifest, from snapshot: String, to staging: String, _ interrupted: AtomicFlag?,
        _ progress: ((Int, Int) -> Void)?
    ) throws {
        func damaged(_ name: String) -> ArchiveError {
            ArchiveError(.damaged, "\(snapshot): \(name) is not the file that was saved; use another snapshot")
        }
        let total = manifest.files.count + manifest.imageCount
        var done = 0
        for file in manifest.files {
            let target = "\(staging)/\(file.path)"
            try FileIO.makeFolder(FilePath.folder(of: target))
            let digest: FileDigest
            do {
                digest = try FileIO.copy("\(snapshot)/\(file.path)", to: target, interrupted: interrupted)
            } catch {
                guard error.code == .notFound || error.code == .notRegular else { throw error }
                throw damaged(file.path)
            }
            guard SnapshotManifest.File(file.path, digest) == file else { throw damaged(file.path) }
            done += 1
            progress?(done, total)
        }
        var images = (count: 0, byteCount: 0)
        let folder = "\(snapshot)/images"
        for prefix in (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? [] {
            try FileIO.makeFolder("\(staging)/images/\(prefix)")
            for name in try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(prefix)").sorted() {
                let digest = try FileIO.copy(
                    "\(folder)/\(prefix)/\(name)", to: "\(staging)/images/\(prefix)/\(name)", interrupted: interrupted)
                guard digest.sha256 == name else { throw damaged("a kept image") }
                images.count += 1
                images.byteCount += digest.byteCount
                done += 1
                progress?(done, total)
            }
        }
        guard images == (manifest.imageCount, manifest.imageByteCount) else {
            throw ArchiveError(.damaged, "\(snapshot): kept images are missing; use another snapshot")
        }
    }

    /// - Returns: where the former archive lies.
    private static func publish(_ staging: String, as path: String, over stands: Standing) throws -> String? {
        guard stands == .archive else {
            // Replaces an empty folder too.
            guard rename(staging, path) == 0 else {
                throw FileError(.system(errno: errno), path: path, call: "rename")
            }
            try FileIO.syncFolder(FilePath.folder(of: path))
            return nil
        }
        // Nobody may write to what goes.
        let lock = try HeldWriterLock(archive: path)
        defer { withExtendedLifetime(lock) {} }
        let former = try freeName(beside: path)
        if hilum_exchange(staging, path) == 0 {
            guard rename(staging, former) == 0 else { return staging }
        } else {
            // A file system that cannot: for a moment nothing has the name, and both are there.
            guard errno == EINVAL || errno == ENOSYS, rename(path, former) == 0 else {
                throw FileError(.system(errno: errno), path: path, call: "rename")
            }
            guard rename(staging, path) == 0 else {
                let number = errno
                _ = rename(former, path)
                throw FileError(.system(errno: number), path: path, call: "rename")
            }
        }
        try FileIO.syncFolder(FilePath.folder(of: path))
        return former
    }

    private static func freeName(beside path: String) throws(ArchiveError) -> String {
        for number in 1...10_000 {
            let name = "\(path).before-restore-\(number)"
            if access(name, F_OK) != 0 { return name }
        }
        throw ArchiveError(.exists, "\(path): there are 10000 former archives beside it; remove some")
    }
}
