import Foundation
import HilumCore
import HilumServer

/// Clients of a socket, each of which sends a request, waits for the reply and sends the next one.
struct ServiceLoad: Sendable {
    let socket: String

    /// All clients are connected by then.
    private static let startInSeconds = 0.05

    /// So many clients for so long. The requests are asked in turns; each client begins at another.
    func run(_ lines: [[UInt8]], clients: Int, seconds: Double) throws -> Latencies {
        let begin = monotonicSeconds() + Self.startInSeconds + 0.002 * Double(clients)
        let parts = BenchThreads.map(clients) { number in
            Result { try client([lines], first: number * 7919, begin: begin, seconds: seconds) }
        }
        var all = Latencies()
        for part in parts { all.add(try part.get()[0], isBeside: true) }
        all.sort()
        return all
    }

    /// One client that asks one request of each kind in turn, so that whatever else the machine does meets all kinds alike.
    func inTurns(_ kinds: [[[UInt8]]], seconds: Double) throws -> [Latencies] {
        try client(kinds, first: 0, begin: monotonicSeconds(), seconds: seconds).map { latencies in
            var sorted = latencies
            sorted.sort()
            return sorted
        }
    }

    private func client(_ kinds: [[[UInt8]]], first: Int, begin: Double, seconds: Double) throws -> [Latencies] {
        let client = try Client(socketPath: socket)
        var latencies = [Latencies](repeating: Latencies(), count: kinds.count)
        Thread.sleep(forTimeInterval: max(0, begin - monotonicSeconds()))
        var place = first
        var start = monotonicSeconds()
        let end = start + seconds
        while start < end {
            for kind in kinds.indices {
                start = kind == 0 ? start : monotonicSeconds()
                try client.send(raw: kinds[kind][place % kinds[kind].count])
                let status = try client.readReply { _ in }
                let now = monotonicSeconds()
                latencies[kind].add(now - start, own: Self.own(status))
                if !status.isOK {
                    latencies[kind].refusedCount += 1
                    latencies[kind].refusal = latencies[kind].refusal ?? status.text
                }
                start = now
            }
            place += 1
        }
        let taken = monotonicSeconds() - (end - seconds)
        for kind in kinds.indices { latencies[kind].seconds = taken }
        return latencies
    }

    /// The microseconds that the daemon says a request took; nil where it does not say.
    private static func own(_ status: Client.Status) -> Float? {
        let bytes = Array(status.text.utf8)
        let sign = Array(" us=".utf8)
        var place = 0
        while place + sign.count < bytes.count {
            guard bytes[place..<(place + sign.count)].elementsEqual(sign) else {
                place += 1
                continue
            }
            var value: Float?
            for byte in bytes[(place + sign.count)...] {
                guard byte >= 48, byte <= 57 else { break }
                value = 10 * (value ?? 0) + Float(byte - 48)
            }
            return value
        }
        return nil
    }
}
