import Foundation
import HilumCore
import HilumServer

/// A daemon of one's own, from `hilum` beside this program, until it is stopped.
final class BenchDaemon {
    let socket: String
    private let process = Process()

    /// - Throws: when it does not answer within a minute.
    init(archive: String) throws {
        socket = NSTemporaryDirectory() + "hilum-bench-\(getpid()).sock"
        process.executableURL = URL(
            fileURLWithPath: FilePath.sibling(of: CommandLine.arguments[0], named: "hilum"))
        process.arguments = ["serve", archive, "--socket", socket]
        process.standardError = FileHandle.nullDevice
        try process.run()
        let end = monotonicSeconds() + 60
        while (try? Client(socketPath: socket)) == nil {
            guard monotonicSeconds() < end, process.isRunning else {
                stop()
                throw BenchError("the daemon did not start; try 'hilum serve \(archive)'")
            }
            Thread.sleep(forTimeInterval: 0.02)
        }
    }

    /// The most bytes that it has held in memory.
    var peakByteCount: Int {
        let status = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return 1024 * (line?.split(separator: " ").compactMap { Int($0) }.first ?? 0)
    }

    func stop() {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
    }
}
