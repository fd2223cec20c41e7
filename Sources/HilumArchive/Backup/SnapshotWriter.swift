import Foundation
import HilumCore
import LMDB

/// What a snapshot came to.
public struct SnapshotSummary: Sendable, Equatable {
    /// Bytes of all its files.
    public let byteCount: Int
    /// The SHA-256 of its `data.mdb`, in hexadecimal.
    public let sha256: String
    /// Cases in it.
    public let cases: Int
    /// Kept images in it.
    public let imageCount: Int
    /// Kept images that are missing in the archive, or that are not the ones that were stored.
    public let lostImageCount: Int
}

/// Copies an archive into a folder of its own.
///
/// The store comes first, as one commit. Images that it names are copied after it: they never change, and who writes keeps them
/// meanwhile.
struct SnapshotWriter {
    /// Files of an archive that belong to the processes that have it open.
    private static let passing: Set = [
        "data.mdb", "lock.mdb", "writer.lock", "images", "compact.unfinished", SnapshotManifest.fileName,
    ]
    /// How often it begins again because another process deleted an image that the snapshot wants.
    private static let attempts = 3

    let store: Store
    let interrupted: AtomicFlag?
    /// Told after each file how many are done, and of how many.
    let progress: ((_ done: Int, _ total: Int) -> Void)?

    private var archive: String { store.path }

    /// - Throws: `.exists` for a `target` that is there, `.notFound` for a folder above it that is not, `.damaged`, `.io`.
    func write(to target: String) throws -> SnapshotSummary {
        let target = StagingFolder.withoutSlash(target)
        try checkPlace(target)
        let staging = try StagingFolder(beside: target, suffix: "snapshot")
        do {
            let manifest = try fill(staging.path)
            try FileIO.writeAtomically(
                "\(staging.path)/\(SnapshotManifest.fileName)", Data((manifest.json.text + "\n").utf8))
            try staging.complete()
            guard rename(staging.path, target) == 0 else {
                throw FileError(.system(errno: errno), path: target, call: "rename")
            }
            try FileIO.syncFolder(FilePath.folder(of: target))
            return SnapshotSummary(
                byteCount: manifest.byteCount,
                sha256: manifest.files.first { $0.path == "data.mdb" }?.sha256 ?? "", cases: manifest.cases,
                imageCount: manifest.imageCount, lostImageCount: manifest.lostImageCount)
        } catch {
            staging.abandon()
            if interrupted?.isRaised == true { throw ArchiveError(.io, "interrupted; no snapshot was made") }
            throw error
        }
    }

    private func checkPlace(_ target: String) throws(ArchiveError) {
        var status = stat()
        guard lstat(target, &status) != 0 else {
            throw ArchiveError(.exists, "\(target): something stands here already; choose another name")
        }
        let folder = FilePath.folder(of: target)
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw ArchiveError(.notFound, "\(folder): there is no such folder; make it first")
        }
        func real(_ path: String) -> String? {
            guard let resolved = realpath(path, nil) else { return nil }
            defer { free(resolved) }
            return String(cString: resolved)
        }
        if let inside = real(folder), let outside = real(archive),
            inside == outside || FilePath.isBeneath(inside, outside)
        {
            throw ArchiveError(.badRequest, "\(target): lies in the archive; put the snapshot beside it, or elsewhere")
        }
    }

    private func fill(_ staging: String) throws -> SnapshotManifest {
        let models = Self.models(in: archive)
        for attempt in 1... {
            let data = "\(staging)/data.mdb"
            unlink(data)
            let digest = try copyStore(to: data)
            let (cases, format, images, needed) = try contents(of: staging)
            let (lost, deleted, byteCount) = try copyImages(images, to: staging, unless: attempt == Self.attempts)
            if deleted { continue }
            var files = [SnapshotManifest.File("data.mdb", digest)]
            try copyFiles(from: archive, below: "", to: staging, into: &files)
            try checkModels(needed, models, staging)
            return SnapshotManifest(
                format: format, cases: cases, files: files, images: (images.count - lost, byteCount),
                lostImageCount: lost)
        }
        preconditionFailure("the last attempt ends the loop")
    }

    /// - Throws: `.damaged` when the copy is not sound, for then the store is not.
    private func copyStore(to file: String) throws -> FileDigest {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileError(.system(errno: errno), path: file, call: "open") }
        do {
            defer { close(descriptor) }
            try StoppableCopy.write(store.environment, to: descriptor, path: file, unless: interrupted)
            guard fsync(descriptor) == 0 else { throw FileError(.system(errno: errno), path: file, call: "fsync") }
        }
        let digest = try FileIO.digest(file, interrupted: interrupted)
        let report = try Archive.verifyPages(FilePath.folder(of: file))
        if let finding = report.findings.first { throw store.damaged(finding) }
        return digest
    }

    /// The folders of models in a folder.
    private static func models(in folder: String) -> Set<String> {
        Set(((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter(isModel))
    }

    private static func isModel(_ name: String) -> Bool {
        name == GenerationTable.firstFolder || name.hasPrefix(GenerationTable.firstFolder + ".")
    }

    /// Makes sure that the models of the copied store are there, as another process may have removed one meanwhile.
    ///
    /// - Parameter before: those that were in the archive when the copy began. An archive may have none.
    private func checkModels(_ needed: [String], _ before: Set<String>, _ staging: String) throws(ArchiveError) {
        let needed = needed.isEmpty ? [GenerationTable.firstFolder] : needed
        let (copied, after) = (Self.models(in: staging), Self.models(in: archive))
        guard needed.allSatisfy({ copied.contains($0) && after.contains($0) || !before.contains($0) }) else {
            throw ArchiveError(
                .busy(holder: 0),
                "\(archive): a model was removed while the archive was copied; make the snapshot again")
        }
    }

    /// What the copied store says: how many cases, its format, which images it wants, and the folders of its models.
    private func contents(
        of staging: String
    ) throws -> (cases: Int, format: Int, images: [[UInt8]], models: [String]) {
        let copy = try Store(path: staging, mode: .readOnly, mapSizeInBytes: 1 << 20)
        defer { copy.environment.close() }
        return try copy.environment.read { transaction in
            var images: [[UInt8]] = []
            try copy.forEach(transaction, .images) { key, _ in
                images.append([UInt8](key))
                return true
            }
            return (
                try transaction.count(copy.table(.cases)), try copy.integer(transaction, .format) ?? 0, images,
                try copy.generations(transaction).records.filter { $0.role != .leaving }.map(\.folder)
            )
        }
    }

    /// - Parameter isLast: counts an image that is not there as lost, whoever took it away.
    /// - Returns: how many are lost; whether one was deleted since the store was copied; the bytes of those that were copied.
    private func copyImages(
        _ images: [[UInt8]], to staging: String, unless isLast: Bool
    ) throws -> (lost: Int, deleted: Bool, byteCount: Int) {
        var lost = 0
        var byteCount = 0
        var folder = ""
        for (done, digest) in images.enumerated() {
            let target = ImageStore.path(of: digest, in: staging)
            if FilePath.folder(of: target) != folder {
                folder = FilePath.folder(of: target)
                try FileIO.makeFolder(folder)
            }
            defer { progress?(done + 1, images.count) }
            if access(target, F_OK) == 0 {
                // From the attempt before.
                byteCount += try FileIO.digest(target, interrupted: interrupted).byteCount
                continue
            }
            do {
                let copied = try FileIO.copy(
                    ImageStore.path(of: digest, in: archive), to: target, interrupted: interrupted)
                if copied.sha256 == hexadecimal(digest) {
                    byteCount += copied.byteCount
                } else {
                    unlink(target)
                    lost += 1
                }
            } catch {
                guard error.code == .notFound else { throw error }
                if !isLast, try !isWanted(digest) { return (0, true, 0) }
                lost += 1
            }
        }
        return (lost, false, byteCount)
    }

    /// Whether the archive as it is now names a kept image.
    private func isWanted(_ digest: [UInt8]) throws -> Bool {
        try store.environment.read { transaction in
            try store.get(transaction, .images, digest) { _ in true } ?? false
        }
    }

    /// Copies every other regular file, and none that is being written.
    private func copyFiles(
        from source: String, below path: String, to staging: String, into files: inout [SnapshotManifest.File]
    ) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: source).sorted() {
            if path.isEmpty && Self.passing.contains(name) || name.contains(".tmp-") { continue }
            let below = path.isEmpty ? name : "\(path)/\(name)"
            var status = stat()
            guard lstat("\(source)/\(name)", &status) == 0 else { continue }
            var origin = "\(source)/\(name)"
            // A model may lie elsewhere; the snapshot holds it all the same.
            if status.st_mode & S_IFMT == S_IFLNK, Self.isModel(String(below.prefix { $0 != "/" })),
                let resolved = realpath(origin, nil)
            {
                origin = String(cString: resolved)
                free(resolved)
                guard lstat(origin, &status) == 0 else { continue }
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                guard mkdir("\(staging)/\(below)", status.st_mode & 0o777) == 0 || errno == EEXIST else {
                    throw FileError(.system(errno: errno), path: "\(staging)/\(below)", call: "mkdir")
                }
                try copyFiles(from: origin, below: below, to: staging, into: &files)
            case S_IFREG:
                do {
                    let digest = try FileIO.copy(
                        origin, to: "\(staging)/\(below)", interrupted: interrupted)
                    files.append(SnapshotManifest.File(below, digest))
                } catch {
                    // Gone meanwhile, such as the model of a generation that was dropped.
                    guard error.code == .notFound else { throw error }
                }
            default: break
            }
        }
    }
}
