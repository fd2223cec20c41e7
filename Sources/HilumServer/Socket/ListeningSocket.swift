import CHilumSystem
import Foundation
import HilumArchive
import HilumCore

/// A bound and listening Unix socket with mode 0660, and the lock that keeps a second daemon off its path.
///
/// ```
/// PATH.lock  flock, held while the socket lives; holds the process number
/// PATH       bound under umask 0077, then mode 0660; a dead daemon's socket is replaced, anything else is left alone
/// ```
/// Closing removes both. A socket that a service manager made and passed on has no lock, and stays when this one closes.
///
/// Thread rule: one owner.
struct ListeningSocket: ~Copyable {
    /// `sun_path` has 108 bytes, the last of them NUL.
    static let longestPathInBytes = 107

    /// Clients that may wait to be accepted; the kernel may allow fewer.
    private static let backlog: Int32 = 4096
    /// Another daemon may remove the lock file between our open and our lock so many times.
    private static let lockTryCount = 100

    let path: String
    let descriptor: Int32
    /// Negative for a socket that was passed on.
    private let lockDescriptor: Int32
    private let device: UInt64
    private let inode: UInt64

    /// Binds and listens.
    ///
    /// - Throws: `.pathTooLong`, `.notASocket`, `.inUse`, `.system`.
    init(path: String) throws(ServerError) {
        try Self.checkLength(path)
        try Self.makeFolder(of: path)
        let lock = try Self.takeLock(path)
        do throws(ServerError) {
            try Self.clearStale(path)
            descriptor = try Self.bind(path)
        } catch {
            Self.releaseLock(lock, path)
            throw error
        }
        var status = stat()
        lstat(path, &status)
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        lockDescriptor = lock
        self.path = path
    }

    /// Takes over a socket that listens already.
    ///
    /// - Throws: `.notASocket` when it is no listening Unix stream socket with a path.
    init(inherited descriptor: Int32) throws(ServerError) {
        var bytes = [CChar](repeating: 0, count: Self.longestPathInBytes + 1)
        guard hilum_unix_take(descriptor, &bytes, bytes.count) == 0 else {
            throw ServerError(
                .notASocket,
                "the descriptor that the service manager passed is no Unix stream socket that listens; see ListenStream= of its unit"
            )
        }
        path = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.descriptor = descriptor
        lockDescriptor = -1
        device = 0
        inode = 0
    }

    deinit {
        Foundation.close(descriptor)
        guard lockDescriptor >= 0 else { return }
        // A file that is not ours any more (replaced by hand) is left alone.
        var status = stat()
        if lstat(path, &status) == 0, UInt64(status.st_dev) == device, UInt64(status.st_ino) == inode { unlink(path) }
        Self.releaseLock(lockDescriptor, path)
    }

    /// Stops listening and removes the socket and its lock.
    consuming func close() {}

    static func checkLength(_ path: String) throws(ServerError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw ServerError(.system(call: "bind", errno: EINVAL), "the path of the socket is empty or holds a NUL")
        }
        guard path.utf8.count <= longestPathInBytes else {
            throw ServerError(
                .pathTooLong(limitInBytes: longestPathInBytes),
                "\(path): a socket's path has at most \(longestPathInBytes) bytes, this one has \(path.utf8.count);"
                    + " choose a shorter one with --socket, for example under /run or /tmp")
        }
    }

    /// The mask is of the whole process: of two threads that change and restore it at once, one may restore the other's.
    private static let masking = NSLock()

    /// A folder that is missing is made for this user alone; one that exists stays as it is.
    private static func makeFolder(of path: String) throws(ServerError) {
        let folder = FilePath.folder(of: path)
        guard access(folder, F_OK) != 0 else { return }
        masking.lock()
        let mask = umask(0o077)
        defer {
            umask(mask)
            masking.unlock()
        }
        do {
            try FileIO.makeFolder(folder)
        } catch {
            throw ServerError(
                .system(call: "mkdir", errno: EIO), "\(folder): the folder of the socket cannot be made: \(error)")
        }
    }

    private static func takeLock(_ path: String) throws(ServerError) -> Int32 {
        let lockPath = path + ".lock"
        for _ in 0..<lockTryCount {
            let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
            guard lock >= 0 else { throw failure("open", lockPath) }
            switch LockAttempt(lock) {
            case .taken: break
            case .held(let holder):
                Foundation.close(lock)
                throw inUse(path, holder)
            case .failed(let number):
                Foundation.close(lock)
                throw failure("flock", lockPath, number)
            }
            do { try checkOwn(lock, lockPath) } catch {
                Foundation.close(lock)
                throw error
            }
            // The daemon before may have removed the file between our open and our lock.
            var mine = stat()
            var named = stat()
            if fstat(lock, &mine) == 0, stat(lockPath, &named) == 0, mine.st_ino == named.st_ino,
                mine.st_dev == named.st_dev
            {
                let text = Array("\(getpid())\n".utf8)
                if ftruncate(lock, 0) != 0 || pwrite(lock, text, text.count, 0) != text.count {
                    Log.warning("\(lockPath): the process number could not be written")
                }
                return lock
            }
            Foundation.close(lock)
        }
        throw inUse(path, nil)
    }

    /// Refuses a lock file that no daemon made: it would be emptied, and removed in the end.
    private static func checkOwn(_ lock: Int32, _ path: String) throws(ServerError) {
        var status = stat()
        var buffer = [UInt8](repeating: 0, count: 16)
        let isPlain = fstat(lock, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_size < buffer.count
        let count = isPlain ? pread(lock, &buffer, buffer.count, 0) : -1
        let isNumber = count >= 0 && buffer[..<count].allSatisfy { $0 == 10 || ($0 >= 48 && $0 <= 57) }
        let isOfArchive =
            FilePath.name(of: path) == "writer.lock" && access(FilePath.sibling(of: path, named: "data.mdb"), F_OK) == 0
        guard isNumber, !isOfArchive else {
            throw ServerError(
                .notASocket, "\(path): this file is no lock of a daemon; choose another path with --socket")
        }
    }

    private static func releaseLock(_ lock: Int32, _ path: String) {
        unlink(path + ".lock")
        // A child between fork and exec has the descriptor too; closing ours alone would leave the lock to it for that moment.
        flock(lock, LOCK_UN)
        Foundation.close(lock)
    }

    /// Removes the socket of a daemon that is gone; whether it is gone is asked by connecting.
    private static func clearStale(_ path: String) throws(ServerError) {
        var status = stat()
        if lstat(path, &status) != 0 {
            if errno == ENOENT { return }
            throw failure("lstat", path)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ServerError(
                .notASocket,
                "\(path): there is something here that is not a socket; remove it or choose another path with --socket")
        }
        let probe = hilum_unix_socket(1)
        guard probe >= 0 else { throw failure("socket", path) }
        defer { Foundation.close(probe) }
        if hilum_unix_connect(probe, path) == 0 || errno == EAGAIN { throw inUse(path, nil) }
        guard errno == ECONNREFUSED else { throw failure("connect", path) }
        guard unlink(path) == 0 else { throw failure("unlink", path) }
        Log.info("\(path): replaced the socket of a daemon that is gone")
    }

    private static func bind(_ path: String) throws(ServerError) -> Int32 {
        let descriptor = hilum_unix_socket(1)
        guard descriptor >= 0 else { throw failure("socket", path) }
        masking.lock()
        let mask = umask(0o077)
        let bound = hilum_unix_bind(descriptor, path)
        let number = errno
        umask(mask)
        masking.unlock()
        guard bound == 0 else {
            Foundation.close(descriptor)
            throw failure("bind", path, number)
        }
        guard chmod(path, 0o660) == 0, listen(descriptor, backlog) == 0 else {
            let number = errno
            unlink(path)
            Foundation.close(descriptor)
            throw failure("listen", path, number)
        }
        return descriptor
    }

    private static func inUse(_ path: String, _ holder: Int32?) -> ServerError {
        let process = holder.map { " (process \($0))" } ?? ""
        return ServerError(
            .inUse(holder: holder),
            "\(path): another daemon serves this socket\(process); stop it or choose another path with --socket")
    }

    private static func failure(_ call: String, _ path: String, _ number: Int32 = errno) -> ServerError {
        ServerError(.system(call: call, errno: number), "\(path): \(call): \(String(cString: strerror(number)))")
    }
}
