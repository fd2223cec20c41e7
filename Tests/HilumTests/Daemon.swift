import Foundation
import HilumCore
import Testing

/// `hilum serve` of one test.
final class Daemon {
    let socket: String
    private let process: Process
    private let log: String

    var identifier: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var errors: String { (try? FileIO.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? "" }

    /// Starts a daemon and waits until it answers.
    init(
        archive: String, in scratch: Scratch, inbox: String? = nil, socket: String? = nil,
        environment: [String: String] = [:]
    ) throws {
        let path = socket ?? scratch.path("s")
        self.socket = path
        log = scratch.path("daemon-\(monotonicSeconds()).log")
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        var words = ["serve", archive, "--socket", path]
        if let inbox { words += ["--inbox", inbox] }
        process = try Program.start(
            words, output: FileHandle.nullDevice, errors: try #require(FileHandle(forWritingAtPath: log)),
            environment: environment)
        let deadline = monotonicSeconds() + 60
        while true {
            if let session = try? SocketSession(path: path), (try? session.ask("PING"))?.last == "OK PONG" { break }
            try #require(process.isRunning && monotonicSeconds() < deadline, "the daemon did not start: \(errors)")
            usleep(5000)
        }
    }

    deinit { stop() }

    func session() throws -> SocketSession { try SocketSession(path: socket) }

    /// Ends it as a service manager does, and returns its exit status.
    @discardableResult
    func stop() -> Int32 {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    /// Ends it without warning.
    func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
