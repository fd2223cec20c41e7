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
        switch LockAttempt(descriptor) {
        case .taken: break
        case .held(let holder):
            close(descriptor)
            let who = holder.map { "process \($0)" } ?? "another process"
            throw ArchiveError(
                .busy(holder: holder ?? 0),
                "\(archive): \(who) writes to this archive; stop it, or ask its daemon by `hilum query --socket`")
        case .failed(let number):
            close(descriptor)
            throw ArchiveError(.io, "\(path): cannot be locked: \(String(cString: strerror(number)))")
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
}
