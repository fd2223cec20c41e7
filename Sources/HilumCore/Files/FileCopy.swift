import Foundation

/// What a file that was read to its end holds.
public struct FileDigest: Sendable, Equatable {
    /// Its size.
    public let byteCount: Int
    /// The SHA-256 of its bytes, in lower-case hexadecimal.
    public let sha256: String
}

extension FileIO {
    private static let blockByteCount = 1 << 20

    /// Copies the regular file `source` to the new file `target`, with its rights; the bytes are on disk when this returns, and their name is
    /// once the folder is synced.
    ///
    /// - Parameter interrupted: ends the copy; then `EINTR` is thrown.
    /// - Throws: `.notRegular` also for a link; `EEXIST` where `target` stands already. What was written is removed.
    public static func copy(
        _ source: String, to target: String, interrupted: AtomicFlag? = nil
    ) throws(FileError) -> FileDigest {
        let input = try openRegular(source)
        defer { close(input.descriptor) }
        let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, input.rights)
        guard output >= 0 else { throw .last(path: target, call: "open") }
        do throws(FileError) {
            defer { close(output) }
            let digest = try readBlocks(input.descriptor, source, interrupted) { block throws(FileError) in
                var offset = 0
                while offset < block.count, let base = block.baseAddress {
                    // Safety: `offset` is below the count of the block, which outlives this closure.
                    let wrote = write(output, base + offset, block.count - offset)
                    if wrote < 0 && errno == EINTR { continue }
                    guard wrote > 0 else { throw .last(path: target, call: "write") }
                    offset += wrote
                }
            }
            // The rights of a new file are less than those asked for where the process says so.
            guard fchmod(output, input.rights) == 0 else { throw .last(path: target, call: "fchmod") }
            guard fsync(output) == 0 else { throw .last(path: target, call: "fsync") }
            return digest
        } catch {
            unlink(target)
            throw error
        }
    }

    /// Reads the regular file `path` to its end.
    ///
    /// - Parameter interrupted: ends it; then `EINTR` is thrown.
    /// - Throws: `.notRegular` also for a link.
    public static func digest(_ path: String, interrupted: AtomicFlag? = nil) throws(FileError) -> FileDigest {
        let input = try openRegular(path)
        defer { close(input.descriptor) }
        return try readBlocks(input.descriptor, path, interrupted) { _ in }
    }

    private static func openRegular(_ path: String) throws(FileError) -> (descriptor: Int32, rights: mode_t) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ELOOP { throw FileError(.notRegular, path: path, call: "open") }
            throw .last(path: path, call: "open")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FileError(.notRegular, path: path, call: "open")
        }
        return (descriptor, status.st_mode & 0o777)
    }

    private static func readBlocks(
        _ descriptor: Int32, _ path: String, _ interrupted: AtomicFlag?,
        _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) -> FileDigest {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: blockByteCount, alignment: 16)
        defer { block.deallocate() }
        var hash = SHA256()
        var byteCount = 0
        while true {
            if interrupted?.isRaised == true {
                throw FileError(.system(errno: EINTR), path: path, call: "read")
            }
            let got = Foundation.read(descriptor, block.baseAddress, block.count)
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw .last(path: path, call: "read") }
            if got == 0 { break }
            let read = UnsafeRawBufferPointer(rebasing: block[..<got])
            hash.update(read)
            try body(read)
            byteCount += got
        }
        return FileDigest(byteCount: byteCount, sha256: hexadecimal(hash.finish()))
    }
}
