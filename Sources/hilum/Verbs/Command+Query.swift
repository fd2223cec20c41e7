import Foundation
import HilumArchive
import HilumCore
import HilumServer

extension Command {
    static let query = Command(
        name: "query",
        summary: "send requests to a daemon",
        usage: ["--socket PATH [LINE] [--bytes FILE]"],
        operands: ["LINE"],
        optionalOperandCount: 1,
        options: [
            .value("socket", "PATH", "the daemon's socket", letter: "s", environment: "HILUM_SOCKET"),
            .value("bytes", "FILE", "append 'bytes=N' and the bytes of this file to LINE"),
        ],
        details: """
            Sends LINE, or each line of standard input, and prints the replies as they come.
            Exits 1 when any reply is ERR (4 for ERR NOTFOUND), and 5 when no daemon answers at PATH.
            """,
        examples: [
            ("hilum query --socket archive/hilum.sock 'SEARCH text=\"cardiomegaly\" k=3'", "one request"),
            ("hilum query --socket archive/hilum.sock 'SEARCH k=3' --bytes new.png", "cases like an image"),
        ],
        run: runQuery)
}

private func runQuery(_ arguments: Arguments) throws -> ExitStatus {
    let socket = try arguments.required("socket")
    let literal = try arguments.text("bytes").map { try readInput($0, limitInBytes: ArchiveLimits.imageByteCount) }
    let client = try Client(socketPath: socket)
    if let line = arguments.operands.first, line != "-" {
        try client.send(line, literal: literal)
        guard Client.expectsReply(line) else { return .done }
        return try printReply(client)
    }
    if literal != nil { throw CommandError.usage("--bytes needs LINE") }
    var status = ExitStatus.done
    var input = InputLines()
    while var line = try input.next() {
        // A line that announces bytes is followed by those bytes and a line feed.
        let announced = line.firstMatch(of: /[ ]bytes=([0-9]{1,9})$/)
        let octets = try announced.map { try input.take(Int($0.output.1) ?? 0) }
        if let announced { line.removeSubrange(announced.range) }
        try client.send(line, literal: octets)
        guard Client.expectsReply(line) else { continue }
        let answer = try printReply(client)
        if status == .done { status = answer }
    }
    return status
}

/// Standard input as lines, with binary data between them.
private struct InputLines {
    private var held: [UInt8] = []
    private var head = 0
    private var isAtEnd = false

    /// The next line without its line feed; nil at the end.
    mutating func next() throws -> String? {
        while true {
            if let end = held[head...].firstIndex(of: 10) {
                defer { head = end + 1 }
                return String(decoding: held[head..<end], as: UTF8.self)
            }
            if isAtEnd {
                guard head < held.count else { return nil }
                defer { head = held.count }
                return String(decoding: held[head...], as: UTF8.self)
            }
            try fill()
        }
    }

    /// The next `count` bytes and the line feed after them.
    mutating func take(_ count: Int) throws -> [UInt8] {
        while held.count - head <= count && !isAtEnd { try fill() }
        let octets = Array(held[head..<min(head + count, held.count)])
        guard octets.count == count else {
            throw CommandError(.failed, "standard input ends \(count - octets.count) octets before a literal does")
        }
        head = min(head + count + 1, held.count)
        return octets
    }

    private mutating func fill() throws {
        held.removeFirst(head)
        head = 0
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let got = read(STDIN_FILENO, &chunk, chunk.count)
        if got < 0 && errno == EINTR { return }
        guard got >= 0 else {
            throw CommandError(.failed, "standard input cannot be read: \(String(cString: strerror(errno)))")
        }
        isAtEnd = got == 0
        held += chunk[..<got]
    }
}

/// Prints one reply unchanged, including tags, and returns its exit status.
private func printReply(_ client: Client) throws -> ExitStatus {
    while let line = try client.nextLine() {
        standardOutputLine(line)
        guard let status = Client.Status(line: line) else { continue }
        switch status.code {
        case nil: return .done
        case .notFound: return .notFound
        default: return .failed
        }
    }
    throw CommandError(.unreachable, "the daemon closed the connection before it had answered")
}
