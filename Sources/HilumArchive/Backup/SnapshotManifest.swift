import Foundation
import HilumCore

/// What a snapshot holds: `snapshot.json` in its folder.
///
///     SNAPSHOT/data.mdb            the store, without free pages
///     SNAPSHOT/images/<aa>/<hash>  images that came as bytes; the name of each is its SHA-256
///     SNAPSHOT/…                   every other file of the archive: models, keys, what the inbox remembers
///     SNAPSHOT/snapshot.json       sizes and SHA-256 of all but the images, and how many of those there are
struct SnapshotManifest: JSONReadable, JSONWritable, Equatable {
    static let fileName = "snapshot.json"
    static let version = 1
    private static let byteLimit = 16 << 20

    struct File: JSONReadable, JSONWritable, Equatable {
        /// Below the snapshot.
        let path: String
        let byteCount: Int
        let sha256: String

        init(_ path: String, _ digest: FileDigest) {
            self.path = path
            byteCount = digest.byteCount
            sha256 = digest.sha256
        }

        init(json: JSON) throws(JSON.Mismatch) {
            path = try json.member("path")
            byteCount = try json.member("bytes")
            sha256 = try json.member("sha256")
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }), parts.first != "images" else {
                throw JSON.Mismatch("is no path below a snapshot", path: "path")
            }
        }

        var json: JSON { JSON(members: ["path": path, "bytes": byteCount, "sha256": sha256]) }
    }

    let format: Int
    let created: String
    let cases: Int
    let files: [File]
    let imageCount: Int
    let imageByteCount: Int
    /// Kept images that the archive itself lacked, or whose bytes were others.
    let lostImageCount: Int

    init(format: Int, cases: Int, files: [File], images: (count: Int, byteCount: Int), lostImageCount: Int) {
        self.format = format
        created = Date.now.ISO8601Format()
        self.cases = cases
        self.files = files
        imageCount = images.count
        imageByteCount = images.byteCount
        self.lostImageCount = lostImageCount
    }

    init(json: JSON) throws(JSON.Mismatch) {
        let version: Int = try json.member("snapshot")
        guard version == Self.version else {
            throw JSON.Mismatch("is \(version), and this program reads \(Self.version)", path: "snapshot")
        }
        format = try json.member("format")
        created = try json.member("created")
        cases = try json.member("cases")
        files = try json.member("files")
        imageCount = try json.member("images")
        imageByteCount = try json.member("image_bytes")
        lostImageCount = try json.member("lost_images")
        guard files.contains(where: { $0.path == "data.mdb" }) else {
            throw JSON.Mismatch("names no data.mdb", path: "files")
        }
    }

    var json: JSON {
        JSON(members: [
            "snapshot": Self.version, "release": Release.version, "format": format, "created": created, "cases": cases,
            "files": files, "images": imageCount, "image_bytes": imageByteCount, "lost_images": lostImageCount,
        ])
    }

    /// Everything in the snapshot but this file.
    var byteCount: Int { files.reduce(imageByteCount) { $0 + $1.byteCount } }

    /// Reads that of the snapshot in the folder `path`.
    ///
    /// - Throws: `.notFound` where there is none, `.damaged`.
    init(of path: String) throws(ArchiveError) {
        let file = "\(path)/\(Self.fileName)"
        let bytes: [UInt8]
        do { bytes = try FileIO.read(file, limitInBytes: Self.byteLimit) } catch {
            guard error.code == .notFound else { throw ArchiveError.wrapping(error) }
            throw ArchiveError(
                .notFound, "\(path): this is no snapshot (it has no \(Self.fileName)); `hilum snapshot` makes one")
        }
        do { self = try SnapshotManifest(parsing: bytes) } catch let error as JSON.Mismatch {
            throw ArchiveError(.damaged, "\(file): \(error); use another snapshot, or a newer program")
        } catch {
            throw ArchiveError(.damaged, "\(file): is not the JSON that a snapshot has; use another snapshot")
        }
    }
}
