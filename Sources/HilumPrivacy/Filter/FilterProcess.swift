import Foundation

/// One process of a report filter, with its ends of two connections: lines in, lines out.
///
/// Both are sockets, so that a write to a process that has ended raises no signal. Its messages go nowhere, as they may hold text of
/// reports. It runs in a group of its own, which ends with this object. Thread rule: one exchange at a time.
final class FilterProcess: Sendable {
    /// Why an exchange failed; the process is of no use any more.
    enum Failure: Error { case late, ended, tooLong }

    private let process: pid_t
    private let input: Int32
    private let output: Int32

    /// - Throws: `.filterMissing`.
    init(_ command: FilterCommand) throws(PrivacyError) {
        let name = command.words[0]
        guard let lines = Self.connection() else {
            throw PrivacyError(.filterMissing(String(cString: strerror(errno))), path: name)
        }
        guard let answers = Self.connection() else {
            let reason = String(cString: strerror(errno))
            for end in [lines.here, lines.there] { close(end) }
            throw PrivacyError(.filterMissing(reason), path: name)
        }
        var started: pid_t = 0
        let failure = Self.spawn(command.words, lines.there, answers.there, &started)
        close(lines.there)
        close(answers.there)
        guard failure == 0 else {
            close(lines.here)
            close(answers.here)
            throw PrivacyError(.filterMissing(String(cString: strerror(failure))), path: name)
        }
        process = started
        input = lines.here
        output = answers.here
        for end in [input, output] { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) }
    }

    deinit {
        close(input)
        close(output)
        // The group: a filter may have started others.
        kill(-process, SIGKILL)
        kill(process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    }

    private static func connection() -> (here: Int32, there: Int32)? {
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
            return nil
        }
        return (pair[0], pair[1])
    }

    private static func spawn(_ words: [String], _ input: Int32, _ output: Int32, _ started: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // It gets nothing else that is open here.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > 2 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        let variables = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
        // Safety: each string is duplicated here and freed below; the program gets copies.
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        return posix_spawnp(&started, words[0], &actions, &attributes, &arguments, &environment)
    }

    /// Whether the process waits for a line: it has not ended, and has said nothing unasked.
    var isWaiting: Bool {
        var wait = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, 0) == 0
    }

    /// Sends a line and waits for one, while both sides may be in the middle of theirs.
    ///
    /// - Parameters:
    ///   - line: with its line feed.
    ///   - limit: of bytes of the answer.
    ///   - deadline: of the whole exchange.
    /// - Returns: the answer without its line feed.
    func exchange(_ line: [UInt8], limit: Int, deadline: ContinuousClock.Instant) throws(Failure) -> [UInt8] {
        var answer: [UInt8] = []
        var sent = 0
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let left = deadline - ContinuousClock.now
            guard left > .zero else { throw .late }
            var waits = [
                pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: sent < line.count ? input : -1, events: Int16(POLLOUT), revents: 0),
            ]
            let milliseconds = min(left / .milliseconds(1), 60_000).rounded(.up)
            guard poll(&waits, 2, Int32(milliseconds)) >= 0 || errno == EINTR else { throw .ended }
            if waits[1].revents != 0 {
                let count = line[sent...].withUnsafeBytes { send(input, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if count > 0 { sent += count } else if count < 0 && errno != EAGAIN && errno != EINTR { throw .ended }
            }
            guard waits[0].revents != 0 else { continue }
            let count = chunk.withUnsafeMutableBytes { read(output, $0.baseAddress, $0.count) }
            if count == 0 { throw .ended }
            if count < 0 {
                guard errno == EAGAIN || errno == EINTR else { throw .ended }
                continue
            }
            answer.append(contentsOf: chunk[..<count])
            if let end = answer[max(0, answer.count - count)...].firstIndex(of: 10) {
                // One answer a report: what comes behind it, or before all was read, belongs to none.
                guard end == answer.count - 1, sent == line.count else { throw .ended }
                answer.removeLast()
                return answer
            }
            guard answer.count <= limit else { throw .tooLong }
        }
    }
}
