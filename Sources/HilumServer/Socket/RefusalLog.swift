import HilumCore

/// One log line a refused request, and no flood: at most `linesPerSecond`, the rest as a number.
struct RefusalLog {
    static let linesPerSecond = 20
    private var second = 0
    private var count = 0

    mutating func note(_ code: ReplyCode, _ client: ServedClient?) {
        if code == .notFound { return }
        let now = Int(monotonicSeconds())
        if now != second {
            flush()
            second = now
        }
        count += 1
        if count > Self.linesPerSecond { return }
        let name = client.map { "client \($0.key), process \($0.peer.process), user \($0.peer.user)" } ?? "a client"
        Log.info("refused \(code.rawValue): \(name)")
    }

    /// Says how many lines were left out.
    mutating func flush() {
        if count > Self.linesPerSecond { Log.info("refused \(count - Self.linesPerSecond) more within a second") }
        count = 0
    }
}
