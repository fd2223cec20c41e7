import Foundation
import Synchronization

/// Writes lines to a descriptor and never waits for whoever reads it.
///
/// A daemon whose log is a pipe must not stop because nobody empties the pipe. A line for which there is no room is lost, and the next
/// one that has room says how many were. Files always have room.
/// Thread rule: any thread; each line is one system call.
final class LineSink: Sendable {
    /// A pipe that is ready takes so many bytes at once (PIPE_BUF).
    private static let lineByteCount = 4096

    private let descriptor: Int32
    private let lostCount = Mutex(0)

    /// - Parameter descriptor: stays the caller's.
    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Writes a line, or counts it as lost.
    ///
    /// - Parameter line: with its line feed; what is longer than 4,096 bytes is cut.
    func write(_ line: String) {
        lostCount.withLock { lost in
            let note = lost == 0 ? "" : "\(lost) messages had no room here and are lost\n"
            guard put(note + line) else {
                lost += 1
                return
            }
            lost = 0
        }
    }

    /// False when there is no room.
    private func put(_ text: String) -> Bool {
        var bytes = Array(text.utf8)
        if bytes.count > Self.lineByteCount {
            bytes.removeSubrange((Self.lineByteCount - 1)...)
            bytes.append(UInt8(ascii: "\n"))
        }
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&ready, 1, 0) == 1, ready.revents & Int16(POLLOUT) != 0 else { return false }
        // A socket, such as that of a journal, may have less room than the line needs.
        let sent = send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        if sent >= 0 { return true }
        guard errno == ENOTSOCK else { return false }
        return Foundation.write(descriptor, bytes, bytes.count) >= 0
    }
}
