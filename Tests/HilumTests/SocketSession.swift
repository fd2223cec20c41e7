import Foundation
import Testing

/// A connection to a daemon's socket, as `nc -U` would hold it.
final class SocketSession {
    enum Failure: Error { case noConnection(errno: Int32), closed, tooLate }

    private let descriptor: Int32
    private var received: [UInt8] = []

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        try #require(bytes.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let status = withUnsafePointer(to: &address) { pointer in
            // Safety: a sockaddr_un is what an AF_UNIX socket takes for a sockaddr; its size goes along.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // `deinit` closes it: it runs once all properties have values, also when this throws.
        if status != 0 { throw Failure.noConnection(errno: errno) }
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Sends all bytes; a peer that has closed is no fault here, as some of what is sent is refused.
    func send(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let wrote = bytes.withUnsafeBytes { buffer in
                // Safety: `offset` is below the count of the array, which lives through this closure.
                Foundation.send(
                    descriptor, buffer.baseAddress.map { $0 + offset }, bytes.count - offset,
                    Int32(MSG_NOSIGNAL))
            }
            if wrote < 0 && errno == EINTR { continue }
            guard wrote > 0 else { return }
            offset += wrote
        }
    }

    /// Tells the peer that nothing more will be sent.
    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next line without its line feed; waits at most `seconds`.
    func line(within seconds: Double = 30) throws -> String {
        while true {
            if let end = received.firstIndex(of: 10) {
                let line = String(decoding: received[..<end], as: UTF8.self)
                received.removeFirst(end + 1)
                return line
            }
            guard try fill(within: seconds) else { throw Failure.closed }
        }
    }

    /// The lines of one reply, the status line last.
    func reply(within seconds: Double = 30) throws -> [String] {
        var lines: [String] = []
        while true {
            let next = try line(within: seconds)
            lines.append(next)
            let bare = next.hasPrefix("@") ? String(next.drop { $0 != " " }.dropFirst()) : next
            if bare == "OK" || bare.hasPrefix("OK ") || bare.hasPrefix("ERR ") { return lines }
        }
    }

    /// Sends a line and reads its reply.
    func ask(_ line: String, within seconds: Double = 30) throws -> [String] {
        try send(line + "\n")
        return try reply(within: seconds)
    }

    /// All lines until the peer closes.
    func rest(within seconds: Double = 30) throws -> [String] {
        while try fill(within: seconds) {}
        let lines = received.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
        received = []
        return lines
    }

    /// Reads what is there; false at the end.
    private func fill(within seconds: Double) throws -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let ready = poll(&waiting, 1, Int32(seconds * 1000))
        guard ready != 0 else { throw Failure.tooLate }
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let got = read(descriptor, &chunk, chunk.count)
        if got < 0 && errno == EINTR { return true }
        if got <= 0 { return false }
        received += chunk[..<got]
        return true
    }
}
