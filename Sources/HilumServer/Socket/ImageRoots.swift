import CHilumSystem
import Foundation
import HilumCore

/// The folders below which clients may name images; each is opened once, and a path is resolved beneath it by the kernel.
///
/// Thread rule: any thread.
final class ImageRoots: Sendable {
    private struct Root {
        /// Without a slash at the end.
        let path: String
        let descriptor: Int32
    }

    private let roots: [Root]

    init() { roots = [] }

    /// - Throws: `FileError` when a folder cannot be opened.
    init(_ paths: [String]) throws(FileError) {
        var opened: [Root] = []
        for path in paths {
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else {
                let number = errno
                for root in opened { close(root.descriptor) }
                throw FileError(number == ENOENT ? .notFound : .system(errno: number), path: path, call: "open")
            }
            opened.append(
                Root(
                    path: path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path, descriptor: descriptor
                ))
        }
        roots = opened
    }

    deinit {
        for root in roots { close(root.descriptor) }
    }

    /// The bytes of a regular file beneath a root; `path` is absolute, or relative to a root.
    ///
    /// - Throws: `.refused` with DENIED (no root, outside of them, over a link), NOTFOUND, BADIMAGE, LIMIT or IO.
    func read(_ path: String, limitInBytes: Int) throws(ServerError) -> [UInt8] {
        guard !roots.isEmpty else {
            throw .refused(
                .denied, "image= is off: this daemon has no image roots; send the image as bytes=N and N octets")
        }
        var failure = ServerError.refused(
            .denied, "image=: the path is not beneath the daemon's image roots; send the image as bytes=N and N octets")
        for root in roots {
            guard let relative = Self.relative(path, to: root.path) else { continue }
            let descriptor = hilum_open_beneath(root.descriptor, relative)
            if descriptor < 0 {
                failure = Self.failure(errno)
                continue
            }
            defer { close(descriptor) }
            return try Self.readAll(descriptor, limitInBytes: limitInBytes)
        }
        throw failure
    }

    private static func relative(_ path: String, to root: String) -> String? {
        guard FilePath.isAbsolute(path) else { return path.isEmpty ? nil : path }
        return FilePath.relative(path, to: root)
    }

    private static func failure(_ number: Int32) -> ServerError {
        switch number {
        case ENOENT, ENOTDIR: .refused(.notFound, "image=: there is no such file beneath the image roots")
        case EXDEV, ELOOP: .refused(.denied, "image=: the path leaves the image roots or goes over a symbolic link")
        case EACCES, EPERM: .refused(.denied, "image=: the daemon may not read this file")
        default: .refused(.io, "image=: \(String(cString: strerror(number)))")
        }
    }

    private static func readAll(_ descriptor: Int32, limitInBytes: Int) throws(ServerError) -> [UInt8] {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .refused(.denied, "image=: this is not a regular file") }
        guard Int(status.st_size) <= limitInBytes else {
            throw .refused(.limit, "image=: an image file has at most \(limitInBytes) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            // Safety: `filled` is below the count of `bytes`, which lives through the closure.
            let got = bytes.withUnsafeMutableBytes {
                Foundation.read(descriptor, $0.baseAddress.map { $0 + filled }, $0.count - filled)
            }
            if got < 0 && errno == EINTR { continue }
            if got < 0 { throw failure(errno) }
            if got == 0 { break }
            filled += got
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }
}
