import Foundation
import HilumCore

/// An attempt to lock a file that bears the process number of whoever holds its lock; waits for no holder to end.
package enum LockAttempt: Equatable {
    /// The lock is the caller's, who writes its number into the file.
    case taken
    /// Another process has it; nil where the file does not say which.
    case held(by: Int32?)
    /// The system refuses; its error number.
    case failed(Int32)

    /// A holder writes its number right after it took the lock, and removes it right before it gives the lock back: a file without
    /// one is looked at again for so long.
    private static let patienceInSeconds = 0.25

    /// Tries to lock the open file.
    package init(_ descriptor: Int32) {
        let end = monotonicSeconds() + Self.patienceInSeconds
        while true {
            guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else {
                self = .taken
                return
            }
            let number = errno
            guard number == EWOULDBLOCK else {
                self = .failed(number)
                return
            }
            let holder = Self.holder(descriptor)
            if holder != nil || monotonicSeconds() >= end {
                self = .held(by: holder)
                return
            }
            usleep(1_000)
        }
    }

    /// The number in the file; nil where a whole line is not there.
    private static func holder(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0, let end = bytes[..<count].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        return Int32(String(decoding: bytes[..<end], as: UTF8.self))
    }
}
