import Foundation
import HilumCore
import HilumServer
import Synchronization

/// A client that stores cases as fast as the daemon takes them, and takes them out again.
final class IngestLoad: Sendable {
    /// So many requests are always under way.
    private static let underWay = 128

    private let socket: String
    private let lines: [[UInt8]]
    private let isEnding = AtomicFlag()
    private let stored = AtomicCounter()

    init(socket: String, lines: [[UInt8]]) {
        self.socket = socket
        self.lines = lines
    }

    /// Cases that were stored until now.
    var storedCount: Int { stored.current }

    /// Cases that are stored a second, from now on for so long.
    func rate(forSeconds seconds: Double) -> Double {
        let (began, before) = (monotonicSeconds(), stored.current)
        Thread.sleep(forTimeInterval: seconds)
        return Double(stored.current - before) / (monotonicSeconds() - began)
    }

    /// Stores until `stop`, or until nothing is left; then deletes what was stored.
    func run() throws {
        let client = try Client(socketPath: socket)
        var sent = 0
        while stored.current < sent || !isEnding.isRaised && sent < lines.count {
            let room = isEnding.isRaised ? 0 : Self.underWay - (sent - stored.current)
            let batch = lines[sent..<min(lines.count, sent + room)]
            if !batch.isEmpty { try client.send(raw: batch.flatMap(\.self)) }
            sent += batch.count
            try Self.expectOK(client)
            stored.increment()
        }
    }

    /// Takes the stored cases out again.
    func clean() throws {
        let client = try Client(socketPath: socket)
        let count = stored.current
        for first in stride(from: 0, to: count, by: Self.underWay) {
            let numbers = first..<min(first + Self.underWay, count)
            try client.send(raw: numbers.flatMap { Array("DELETE id=\(RequestMix.putPrefix)\($0)\n".utf8) })
            for _ in numbers { try Self.expectOK(client) }
        }
    }

    func stop() { isEnding.raise() }

    private static func expectOK(_ client: Client) throws {
        let status = try client.readReply { _ in }
        guard status.isOK else { throw BenchError("the daemon refused a change: \(status.text)") }
    }
}
