import Foundation
import HilumCore

/// The program `hilum-view`, which `hilum view` starts beside a daemon: `hilum-view SOCKET PORT IDLE-MINUTES`.
///
/// It prints the address of the page on standard output and ends when its standard input does, so it never outlives `hilum view`. With
/// minutes above 0 it also ends when the page has asked for nothing for so long.
@main
struct HilumViewProgram {
    private static let usage =
        "hilum-view shows the page of 'hilum view', which starts it; it is not for use by hand\n"

    static func main() {
        signal(SIGPIPE, SIG_IGN)
        // Ctrl-C in a terminal reaches this program too; hilum view closes its standard input when it is time.
        signal(SIGINT, SIG_IGN)
        let words = CommandLine.arguments.dropFirst()
        guard words.count == 3, let port = UInt16(words[2]), let minutes = Int(words[3]), minutes >= 0 else {
            FileHandle.standardError.write(Data(usage.utf8))
            exit(2)
        }
        guard HTTPServer.isThere else {
            complain("this build has no libmicrohttpd; install libmicrohttpd-dev and build again")
        }
        do throws(ViewError) {
            try serve(socket: words[1], port: port, idleInSeconds: Double(minutes) * 60)
        } catch {
            complain(error.description)
        }
    }

    private static func serve(socket: String, port: UInt16, idleInSeconds: Double) throws(ViewError) {
        let token = makeToken()
        let viewer = Viewer(token: token, files: try PageFiles(), daemon: DaemonAnswers(socket: socket))
        let server = try HTTPServer(port: port, handler: viewer)
        viewer.listens(on: server.port)
        FileHandle.standardOutput.write(Data("http://127.0.0.1:\(server.port)/\(token)/\n".utf8))
        waitForEnd(viewer, idleInSeconds)
        server.close()
    }

    /// 128 bits that nobody can guess; the one random number of the project that must not come from a seed.
    private static func makeToken() -> String {
        var generator = SystemRandomNumberGenerator()
        return hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// Returns when standard input ends, or nothing was asked for long enough.
    private static func waitForEnd(_ viewer: Viewer, _ idleInSeconds: Double) {
        var byte: UInt8 = 0
        while true {
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            let count = poll(&input, 1, idleInSeconds > 0 ? 1000 : -1)
            if count > 0 && read(STDIN_FILENO, &byte, 1) <= 0 { return }
            if idleInSeconds > 0, monotonicSeconds() - viewer.lastUse.withLock({ $0 }) > idleInSeconds { return }
        }
    }

    private static func complain(_ text: String) -> Never {
        FileHandle.standardError.write(Data("hilum-view: \(text)\n".utf8))
        exit(1)
    }
}
