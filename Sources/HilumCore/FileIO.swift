import Foundation

/// A file could not be read or written.
public struct FileError: Error, CustomStringConvertible, Sendable {
    /// What kind of fault it is.
    public enum Code: Sendable, Equatable {
        case notFound, notRegular, tooLarge(limitInBytes: Int), system(errno: Int32)
    }

    /// What kind of fault it is.
    public let code: Code
    /// The file or folder.
    public let path: String
    /// The system call that failed.
    public let call: String

    /// An error of a call on a path.
    public init(_ code: Code, path: String, call: String) {
        self.code = code
        self.path = path
        self.call = call
    }

    /// The path and what is wrong with it, in words.
    public var description: String {
        switch code {
        case .notFound: "\(path): no such file"
        case .notRegular: "\(path): not a regular file"
        case .tooLarge(let limit): "\(path): larger than the limit of \(limit) bytes"
        case .system(ELOOP): "\(path): a link lies on the way, and none is followed here; put the file itself there"
        case .system(EXDEV): "\(path): the path leads out of its folder; put the file itself there"
        case .system(let number): "\(path): \(call): \(String(cString: strerror(number)))"
        }
    }

    /// Whether the same call may succeed later though nobody changes the file or its name: rights, disks, shares and a lack of descriptors
    /// come and go.
    public var mayPass: Bool {
        guard case .system(let number) = code else { return false }
        return ![ELOOP, EXDEV, ENOTDIR, ENAMETOOLONG, EISDIR, EINVAL, ENODEV, ENXIO].contains(number)
    }

    static func last(path: String, call: String) -> FileError {
        let number = errno
        return FileError(number == ENOENT ? .notFound : .system(errno: number), path: path, call: call)
    }
}

/// Reading and writing whole files.
public enum FileIO {
    /// The bytes of a regular file; its size is checked against `limitInBytes` before anything is allocated.
    public static func read(_ path: String, limitInBytes: Int = Int.max) throws(FileError) -> [UInt8] {
        let descriptor = FencedFolders.open(path)
        guard descriptor >= 0 else { throw .last(path: path, call: "open") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .last(path: path, call: "fstat") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(.notRegular, path: path, call: "open") }
        let byteCount = Int(status.st_size)
        guard byteCount <= limitInBytes else {
            throw FileError(.tooLarge(limitInBytes: limitInBytes), path: path, call: "fstat")
        }
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
            while initialized < byteCount, let base = buffer.baseAddress {
                // Safety: the buffer holds `byteCount` bytes and `initialized` is below that.
                let got = Foundation.read(descriptor, base + initialized, byteCount - initialized)
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failure = .last(path: path, call: "read") }
                if got <= 0 { return }
                initialized += got
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Replaces the file at `path` in one step: a temporary file beside it, fsync, rename, fsync of the folder.
    ///
    /// - Parameter rights: of the new file, less what the process leaves out of all files.
    public static func writeAtomically(
        _ path: String, _ bytes: some ContiguousBytes, rights: mode_t = 0o644
    ) throws(FileError) {
        let file = try FilePieces(replacing: path, rights: rights)
        do throws(FileError) { try file.append(bytes) } catch {
            file.abandon()
            throw error
        }
        try file.finish()
    }

    /// Replaces the file at `path` in one step by the pieces that `body` appends; when `body` throws, it stays as it was.
    ///
    /// - Parameter rights: of the new file, less what the process leaves out of all files.
    public static func writeAtomically(
        _ path: String, rights: mode_t = 0o644, pieces body: (FilePieces) throws -> Void
    ) throws {
        let file = try FilePieces(replacing: path, rights: rights)
        do { try body(file) } catch {
            file.abandon()
            throw error
        }
        try file.finish()
    }

    /// Makes the names in a folder durable.
    public static func syncFolder(_ path: String) throws(FileError) {
        let folder = path.isEmpty ? "." : path
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last(path: folder, call: "open") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .last(path: folder, call: "fsync") }
    }

    /// Makes a folder and those above it, each with `rights` less what the process's umask takes; one that exists is fine.
    public static func makeFolder(_ path: String, rights: mode_t = 0o755) throws(FileError) {
        var partial = FilePath.isAbsolute(path) ? "/" : ""
        for component in FilePath.parts(of: path) {
            partial += (partial.isEmpty || partial.hasSuffix("/") ? "" : "/") + component
            if mkdir(partial, rights) != 0 && errno != EEXIST { throw .last(path: partial, call: "mkdir") }
        }
        var status = stat()
        guard stat(path, &status) == 0 else { throw .last(path: path, call: "stat") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw FileError(.system(errno: ENOTDIR), path: path, call: "mkdir")
        }
    }
}

/// A file that grows piece by piece beside the one it will replace; valid inside `FileIO.writeAtomically` only.
public struct FilePieces {
    private let path: String
    private let temporary: String
    private let descriptor: Int32

    fileprivate init(replacing path: String, rights: mode_t) throws(FileError) {
        self.path = path
        temporary = "\(path).tmp-\(getpid())"
        // What a process that was killed left under this name goes; a link there is not followed.
        unlink(temporary)
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, rights)
        guard descriptor >= 0 else { throw .last(path: temporary, call: "open") }
    }

    /// Writes the next piece.
    public func append(_ bytes: some ContiguousBytes) throws(FileError) {
        var failure: FileError?
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count, let base = buffer.baseAddress {
                // Safety: `offset` is below the byte count of the buffer, which lives through this closure.
                let wrote = write(descriptor, base + offset, buffer.count - offset)
                if wrote < 0 && errno == EINTR { continue }
                if wrote <= 0 {
                    failure = .last(path: temporary, call: "write")
                    return
                }
                offset += wrote
            }
        }
        if let failure { throw failure }
    }

    fileprivate func abandon() {
        close(descriptor)
        unlink(temporary)
    }

    fileprivate func finish() throws(FileError) {
        var failure: FileError?
        if fsync(descriptor) != 0 { failure = .last(path: temporary, call: "fsync") }
        if close(descriptor) != 0 && failure == nil { failure = .last(path: temporary, call: "close") }
        if failure == nil && rename(temporary, path) != 0 { failure = .last(path: path, call: "rename") }
        if let failure {
            unlink(temporary)
            throw failure
        }
        try FileIO.syncFolder(FilePath.folder(of: path))
    }
}
