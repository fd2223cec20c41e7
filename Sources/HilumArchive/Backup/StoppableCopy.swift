import Foundation
import HilumCore
import LMDB
import Synchronization

/// A copy of a store that can be ended before it is whole.
///
/// LMDB asks nobody while it copies. So a thread watches the flag, and when it is raised, the descriptor that LMDB writes to becomes
/// one of `/dev/null` that is open for reading only: the next write fails, and the copy with it.
struct StoppableCopy {
    private static let watchIntervalInMicroseconds: UInt32 = 20_000

    /// Writes the newest commit of `environment` to the open file `descriptor`.
    ///
    /// - Parameter interrupted: ends it, within the time of one write; then `EINTR` is thrown.
    /// - Throws: what `Environment.copy` throws.
    static func write(_ environment: Environment, to descriptor: Int32, path: String, unless interrupted: AtomicFlag?)
        throws
    {
        guard let interrupted else {
            try environment.copy(compactedTo: descriptor)
            return
        }
        let nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard nowhere >= 0 else { throw FileError(.system(errno: errno), path: "/dev/null", call: "open") }
        let isDone = AtomicFlag()
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            while !isDone.isRaised && !interrupted.isRaised { usleep(watchIntervalInMicroseconds) }
            if !isDone.isRaised { dup2(nowhere, descriptor) }
            ended.signal()
        }
        func stopWatching() {
            isDone.raise()
            ended.wait()
            close(nowhere)
        }
        do { try environment.copy(compactedTo: descriptor) } catch {
            stopWatching()
            guard interrupted.isRaised else { throw error }
            throw FileError(.system(errno: EINTR), path: path, call: "write")
        }
        stopWatching()
        // It may have been raised after the last write, and then the descriptor is not that of the file any more.
        guard !interrupted.isRaised else { throw FileError(.system(errno: EINTR), path: path, call: "write") }
    }
}
