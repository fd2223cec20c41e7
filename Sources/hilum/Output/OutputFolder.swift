import Foundation
import HilumCore

/// Where outputs may go: not into an archive, and whole models not into a folder with other files.
enum OutputFolder {
    /// Checks that outputs may be written into a folder that exists.
    ///
    /// - Throws: `CommandError` that says what stands in the way.
    static func checkPlace(_ folder: String) throws {
        var status = stat()
        guard stat(folder, &status) == 0 else {
            let reason = errno == ENOENT ? "there is no such folder; make it first" : String(cString: strerror(errno))
            throw CommandError(.failed, "\(folder): \(reason)")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw CommandError(.failed, "\(folder): this is no folder") }
        guard access(folder, W_OK | X_OK) == 0 else {
            throw CommandError(.failed, "\(folder): nothing can be written here (\(String(cString: strerror(errno))))")
        }
        try checkOutsideArchives(folder)
    }

    /// Checks that a folder, which need not exist, is not part of an archive.
    static func checkOutsideArchives(_ folder: String) throws {
        if let place = nearestThere(folder), let archive = archive(around: place) {
            throw CommandError(.failed, "\(folder): this lies in the archive \(archive); outputs go elsewhere")
        }
    }

    /// Makes a folder for outputs, and those above it, unless it is there.
    ///
    /// - Parameter isPrivate: whether its owner alone may enter what is made.
    static func make(_ folder: String, isPrivate: Bool = false) throws {
        try checkOutsideArchives(folder)
        try FileIO.makeFolder(folder, rights: isPrivate ? 0o700 : 0o755)
    }

    /// Checks that a model may be written into `folder`: it is new or empty.
    static func checkModel(_ folder: String) throws {
        if folder.isEmpty { throw CommandError.usage("the name of an output is empty") }
        try checkOutsideArchives(folder)
        var status = stat()
        guard lstat(folder, &status) == 0 else { return }
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        guard let names else { throw CommandError(.failed, "\(folder): this is no folder that can be read") }
        if names.contains("config.json") {
            throw CommandError(.failed, "\(folder): a model stands here already; choose another folder")
        }
        if let name = names.first {
            throw CommandError(
                .failed, "\(folder): the folder holds other files (\(name)); choose a new or empty folder")
        }
    }

    /// The path without links; nil where nothing is there.
    static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The last folder on the way to `path` that is there.
    private static func nearestThere(_ path: String) -> String? {
        var path = path
        while resolved(path) == nil {
            let above = FilePath.folder(of: path)
            if above == path { return nil }
            path = above
        }
        return resolved(path)
    }

    /// The archive that a folder lies in, or is.
    private static func archive(around folder: String) -> String? {
        var folder = folder
        while true {
            if access(folder + "/data.mdb", F_OK) == 0 { return folder }
            if folder == "/" { return nil }
            folder = FilePath.folder(of: folder)
        }
    }
}
