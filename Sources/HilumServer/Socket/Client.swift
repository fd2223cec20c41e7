import CHilumSystem
import Foundation
import HilumCore

/// The other end of the daemon's socket: sends request lines and reads replies line by line as they come.
///
/// Thread rule: one thread at a time.
public final class Client {
    /// The status line of a reply.
    public struct Status: Sendable, Equatable {
        /// The tag of the request; nil if it had none.
        public let tag: String?
        /// Nil for `OK`.
        public let code: ReplyCode?
        /// What follows `OK` or the code.
        public let text: String

        /// Whether the request was carried out.
        public var isOK: Bool { code == nil }

        /// `key=value` of an `OK` line, as they stand.
        public var fields: [String: String] {
            var fields: [String: String] = [:]
            for part in text.split(separator: " ") {
                if let sign = part.firstIndex(of: "=") {
                    fields[String(part[..<sign])] = String(part[part.index(after: sign)...])
                }
            }
            return fields
        }

        /// A line of a reply, nil if it is no status line.
        public init?(line: String) {
            var rest = line[...]
            var tag: String?
            if rest.first == "@" {
                guard let space = rest.firstIndex(of: " ") else { return nil }
                tag = String(rest[rest.index(after: rest.startIndex)..<space])
                rest = rest[rest.index(after: space)...]
            }
            if rest == "OK" || rest.hasPrefix("OK ") {
                code = nil
                text = String(rest.dropFirst(3))
            } else if rest.hasPrefix("ERR ") {
                let parts = rest.dropFirst(4).split(separator: " ", maxSplits: 1)
                code = parts.first.flatMap { ReplyCode(rawValue: String($0)) } ?? .internal
                text = parts.count > 1 ? String(parts[1]) : ""
            } else {
                return nil
            }
            self.tag = tag
        }
    }

    /// A whole reply.
    public struct Answer: Sendable {
        /// JSON, one a line, without the tag.
        public let objects: [String]
        /// How the reply ends.
        public let status: Status
    }

    /// Whoever ends the waiting is heard within this time.
    private static let stepInSeconds = 0.05
    /// Bytes of one read.
    private static let readByteCount = 64 << 10

    private let path: String
    private let descriptor: Int32
    private let timeoutInSeconds: Double
    private let interrupted: AtomicFlag?
    private var buffer: [UInt8] = []
    private var head = 0
    /// What one read brings; kept, as to clear it each time takes longer than a short reply.
    private var chunk = [UInt8](repeating: 0, count: readByteCount)

    /// Connects.
    ///
    /// - Parameters:
    ///   - timeoutInSeconds: how long to wait for the daemon to say something.
    ///   - interrupted: ends the waiting within a tenth of a second.
    /// - Throws: `.unreachable` when there is no socket or nobody listens, `.pathTooLong`, `.system`.
    public init(
        socketPath: String, timeoutInSeconds: Double = 300, interrupted: AtomicFlag? = nil
    ) throws(ServerError) {
        try ListeningSocket.checkLength(socketPath)
        path = socketPath
        self.timeoutInSeconds = timeoutInSeconds
        self.interrupted = interrupted
        descriptor = hilum_unix_socket(0)
        guard descriptor >= 0 else { throw Self.failure("socket", socketPath) }
        // Every property is set, so `deinit` runs also when this throws: to close here as well would close whatever
        // another thread has opened under the same number meanwhile.
        guard hilum_unix_connect(descriptor, socketPath) == 0 else { throw Self.connectFailure(socketPath, errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether the daemon answers a line at all (not to blank lines and comments).
    public static func expectsReply(_ line: String) -> Bool {
        !line.hasPrefix("#") && line.contains { $0 != " " && $0 != "\r" }
    }

    /// Sends one request line; with a literal, `bytes=N` is added to the line and the octets follow.
    ///
    /// - Parameter line: without a line feed.
    /// - Throws: `.refused(.badRequest)` for a line with a line feed in it, `.system`. That the daemon has closed is not
    ///   reported here, so that its last words can still be read.
    public func send(_ line: String, literal: [UInt8]? = nil) throws(ServerError) {
        guard !line.utf8.contains(10) else {
            throw .refused(
                .badRequest, "a request is one line; write a line feed within a value as \\n in a JSON string")
        }
        var bytes = Array(line.utf8)
        if let literal {
            bytes += Array(" bytes=\(literal.count)\n".utf8)
            bytes += literal
        }
        bytes.append(10)
        try sendAll(bytes)
    }

    /// Tells the daemon that no more requests come; replies can still be read.
    public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next line of the daemon without its line feed; nil when it has closed the connection.
    ///
    /// - Throws: `.timedOut`, `.system`.
    public func nextLine() throws(ServerError) -> String? {
        var scanned = head
        while true {
            if let end = buffer[scanned...].firstIndex(of: 10) {
                let line = String(decoding: buffer[head..<end], as: UTF8.self)
                head = end + 1
                return line
            }
            if head > 0 {
                buffer.removeFirst(head)
                head = 0
            }
            scanned = buffer.count
            guard try fill() else { return nil }
        }
    }

    /// Reads one reply and gives each of its objects to `each` as it comes.
    ///
    /// - Throws: `.closedEarly`, `.timedOut`, `.system`, and what `each` throws.
    public func readReply(_ each: (String) throws -> Void) throws -> Status {
        while true {
            guard let line = try nextLine() else {
                throw ServerError(.closedEarly, "\(path): the daemon closed the connection before it had answered")
            }
            // Most lines are objects; to compare characters takes longer than the daemon took to write them.
            if line.utf8.first == UInt8(ascii: "{") {
                try each(line)
                continue
            }
            if let status = Status(line: line) { return status }
            if line.hasPrefix("@"), let space = line.firstIndex(of: " ") {
                try each(String(line[line.index(after: space)...]))
            } else {
                try each(line)
            }
        }
    }

    /// Sends a request and reads its reply.
    public func request(_ line: String, literal: [UInt8]? = nil) throws -> Answer {
        try send(line, literal: literal)
        var objects: [String] = []
        let status = try readReply { objects.append($0) }
        return Answer(objects: objects, status: status)
    }

    /// Sends bytes as they are, several requests or a part of one.
    ///
    /// - Throws: `.system`.
    public func send(raw bytes: [UInt8]) throws(ServerError) { try sendAll(bytes) }

    private func sendAll(_ bytes: [UInt8]) throws(ServerError) {
        var sent = 0
        while sent < bytes.count {
            // Safety: `sent` is below the count of `bytes`, which lives through the closure.
            let count = bytes.withUnsafeBytes {
                hilum_send(descriptor, $0.baseAddress.map { $0 + sent }, $0.count - sent)
            }
            if count > 0 { sent += count }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && (errno == EPIPE || errno == ECONNRESET) { return }
            if count < 0 { throw Self.failure("send", path) }
        }
    }

    /// False at the end of the stream.
    private func fill() throws(ServerError) -> Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let end = monotonicSeconds() + timeoutInSeconds
        while true {
            let left = end - monotonicSeconds()
            let step = interrupted == nil ? left : min(left, Self.stepInSeconds)
            let count = poll(&ready, 1, Int32(max(0, min(2e9, (step * 1000).rounded(.up)))))
            if count > 0 { break }
            if interrupted?.isRaised == true {
                throw ServerError(.timedOut, "\(path): the waiting for an answer was ended")
            }
            if count < 0 && errno != EINTR { throw Self.failure("poll", path) }
            if left <= 0 {
                throw ServerError(.timedOut, "\(path): the daemon did not answer within \(Int(timeoutInSeconds)) s")
            }
        }
        // Safety: `read` writes as many bytes as `chunk` has at most, which lives through the closure.
        let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        buffer.append(contentsOf: chunk[..<max(0, count)])
        if count < 0 && (errno == EINTR || errno == EAGAIN) { return true }
        if count < 0 && errno == ECONNRESET { return false }
        if count < 0 { throw Self.failure("read", path) }
        return count > 0
    }

    private static func connectFailure(_ path: String, _ number: Int32) -> ServerError {
        switch number {
        case ENOENT, ENOTDIR:
            ServerError(
                .unreachable,
                "\(path): there is no socket here; start the daemon with `hilum serve ARCHIVE --socket \(path)`")
        case ECONNREFUSED:
            ServerError(.unreachable, "\(path): nobody listens here any more; start the daemon with `hilum serve`")
        case EAGAIN: ServerError(.unreachable, "\(path): the daemon has too many clients waiting; try again later")
        case EACCES, EPERM:
            ServerError(.unreachable, "\(path): this user may not use the socket; ask to be in the group that owns it")
        case ENOTSOCK, EPROTOTYPE: ServerError(.unreachable, "\(path): this is not the socket of a daemon")
        default: failure("connect", path, number)
        }
    }

    private static func failure(_ call: String, _ path: String, _ number: Int32 = errno) -> ServerError {
        ServerError(.system(call: call, errno: number), "\(path): \(call): \(String(cString: strerror(number)))")
    }
}
