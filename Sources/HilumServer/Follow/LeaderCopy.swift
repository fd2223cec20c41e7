import Foundation
import HilumArchive
import HilumCore

/// Makes copies of a leader from snapshots.
///
///     ARCHIVE                     the copy
///     ARCHIVE/followed            which snapshot of a folder it is of
///     ARCHIVE.follow-snapshot     a folder with what a leader's daemon was asked to make; goes when that is restored
///     ARCHIVE.follow-next         a newer copy that is to take its place
///     ARCHIVE.follow-former       the one before, while both are exchanged
///
/// An archive that is no copy (`Archive.isCopy`) is never replaced nor removed.
///
/// Thread rule: an immutable value; one thread at a time.
struct LeaderCopy: Sendable {
    let leader: Follower.Leader
    /// Absolute.
    let path: String

    /// A snapshot of many cases takes its time.
    private static let snapshotTimeInSeconds = 24 * 3600.0

    var next: String { path + ".follow-next" }
    private var former: String { path + ".follow-former" }
    private var arriving: String { path + ".follow-snapshot" }
    private static let mark = "followed"

    /// Sees to it that there is a copy; goes on with one that was made before.
    ///
    /// - Throws: why there is none.
    func settle() throws {
        if access(path + "/data.mdb", F_OK) != 0 {
            if access(next + "/data.mdb", F_OK) != 0 { try make(at: next) }
            guard rename(next, path) == 0 else {
                throw FileError(.system(errno: errno), path: path, call: "rename")
            }
        }
        guard try Archive.isCopy(at: path) else {
            throw ServerError.refused(
                .exists,
                "\(path): this is an archive of its own and no copy, so it is left alone; name a new folder, or bring a snapshot "
                    + "here by 'hilum restore --copy'")
        }
        try remove(next)
        try remove(former)
    }

    /// Removes a copy that is not needed any more.
    ///
    /// - Throws: for an archive that is none.
    private func remove(_ place: String) throws {
        guard access(place, F_OK) == 0 else { return }
        if access(place + "/data.mdb", F_OK) == 0, try !Archive.isCopy(at: place) {
            throw ServerError.refused(.exists, "\(place): an archive that is no copy is in the way; move it elsewhere")
        }
        try FileManager.default.removeItem(atPath: place)
    }

    /// Makes a copy of the leader as it is now at `target`, where nothing stands.
    func make(at target: String, interrupted: AtomicFlag? = nil) throws {
        try remove(target)
        switch leader {
        case .socket(let socket):
            defer { try? FileManager.default.removeItem(atPath: arriving) }
            let snapshot = try placeOnThisDisk()
            let client = try Client(
                socketPath: socket, timeoutInSeconds: Self.snapshotTimeInSeconds, interrupted: interrupted)
            let status = try ask(client, forSnapshot: snapshot, interrupted)
            guard status.code != .notFound, !status.isOK || access(snapshot, F_OK) == 0 else {
                throw ServerError.refused(
                    .notFound,
                    "the leader does not see this disk, so it makes no snapshot here; bring one, 'hilum restore --copy' it as "
                        + "\(path), and follow again")
            }
            guard status.isOK else {
                throw ServerError.refused(status.code ?? .internal, "the leader made no snapshot: \(status.text)")
            }
            _ = try Archive.restore(snapshot, to: target, asCopy: true, interrupted: interrupted)
        case .snapshots(let folder):
            guard let found = FoundSnapshot.newest(in: folder) else {
                throw ServerError.refused(.notFound, "\(folder): there is no snapshot here; 'hilum snapshot' makes one")
            }
            _ = try Archive.restore(found.path, to: target, asCopy: true, interrupted: interrupted)
            try FileIO.writeAtomically("\(target)/\(Self.mark)", Array(found.sha256.utf8))
        }
    }

    /// A place for a snapshot that no other machine has, so that a leader elsewhere refuses it before it writes anything.
    ///
    /// Whoever may write beside the copy may write there.
    private func placeOnThisDisk() throws -> String {
        try? FileManager.default.removeItem(atPath: arriving)
        let inner = "\(arriving)/\(UUID().uuidString)"
        var above = stat()
        let isKnown = stat(FilePath.folder(of: path), &above) == 0
        for folder in [arriving, inner] {
            guard mkdir(folder, 0o700) == 0 else {
                throw FileError(.system(errno: errno), path: folder, call: "mkdir")
            }
            guard isKnown else { continue }
            // Only root may give folders away; others have what is theirs.
            _ = chown(folder, above.st_uid, above.st_gid)
            _ = chmod(folder, above.st_mode & 0o770)
        }
        return inner + "/snapshot"
    }

    /// Asks the leader for a snapshot. It makes one at a time, so another copy may have to be waited for.
    private func ask(
        _ client: Client, forSnapshot place: String, _ interrupted: AtomicFlag?
    ) throws -> Client.Status {
        let end = monotonicSeconds() + Self.snapshotTimeInSeconds
        while true {
            let status = try client.request("SNAPSHOT to=\(Argument.quoted(place))").status
            guard status.code == .busy, monotonicSeconds() < end, interrupted?.isRaised != true else { return status }
            usleep(Self.pauseInMicroseconds)
        }
    }

    private static let pauseInMicroseconds: UInt32 = 200_000

    /// The snapshot of a folder that the copy is of; nil where that is not known.
    var followed: String? {
        (try? FileIO.read("\(path)/\(Self.mark)", limitInBytes: 1 << 10)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Puts the newer copy in the place of the present one, which nobody has open.
    func exchange() throws {
        try remove(former)
        guard rename(path, former) == 0, rename(next, path) == 0 else {
            throw FileError(.system(errno: errno), path: path, call: "rename")
        }
        try FileIO.syncFolder(FilePath.folder(of: path))
        try? FileManager.default.removeItem(atPath: former)
    }
}
