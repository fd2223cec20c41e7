import Foundation

/// A writer's lock for as long as somebody refers to it.
///
/// Thread rule: any thread.
final class HeldWriterLock: Sendable {
    private let lock: WriterLock

    /// - Throws: `.busy` with the holder's process id.
    init(archive: String) throws(ArchiveError) { lock = try WriterLock(archive: archive) }
}

/// The right to write to an archive: a lock on `ARCHIVE/writer.lock`, which also names the process that holds it.
///
/// The kernel releases it when the process ends, however that happens. Thread rule: one owner.
struct WriterLock: ~Copyable {
    private let descriptor: Int32

    /// - Throws: `.busy` with the holder's process id.
    init(archive: String) throws(ArchiveError) {
        let path = archive + "/writer.lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o660)
        guard descriptor >= 0 else {
            throw ArchiveError(.io, "\(path): cannot be opened for writing: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor)
            close(descriptor)
            let who = holder > 0 ? "process \(holder)" : "another process"
            throw ArchiveError(
                .busy(holder: holder),
                "\(archive): \(who) writes to this archive; stop it, or send the request to its daemon")
        }
        let text = Array("\(getpid())\n".utf8)
        _ = ftruncate(descriptor, 0)
        _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        self.descriptor = descriptor
    }

    deinit {
        // The file stays: removing it would let two processes lock two files of one name.
        _ = ftruncate(descriptor, 0)
        // A child between fork and exec has the descriptor too; closing ours alone would leave the lock to it for that moment.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    private static func holder(_ descriptor: Int32) -> Int32 {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return 0 }
        let text = String(decoding: bytes[0..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return Int32(text) ?? 0
    }
}
