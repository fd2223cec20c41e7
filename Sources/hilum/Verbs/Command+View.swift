import Foundation
import HilumArchive
import HilumCore
import HilumServer
import Synchronization

extension Command {
    static let view = Command(
        name: "view",
        summary: "a page for the browser of this machine: ask, look, and see why a case was found",
        usage: ["(ARCHIVE | --socket S) [--port N] [--idle-minutes M]"],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: [
            .value("socket", "PATH", "show what the daemon at this socket serves, instead of opening ARCHIVE"),
            .value("port", "N", "the port on 127.0.0.1 (default: a free one)"),
            .value("idle-minutes", "M", "end when the page has asked for nothing for so long (default: never)"),
        ],
        details: """
            Prints the address of a page and shows it until Ctrl-C. Drop an image on the page or type a question, in English or Japanese;
            filter, compare images, see which words and which parts of an image answered, and go on from a case with 'more like this'
            and 'not like this'. The page is reached from this machine only, and only by the address that is printed: it holds a token
            that is made anew at each start. Nothing is fetched from elsewhere, and the page cannot change the archive. With ARCHIVE it
            brings a daemon of its own, which opens the archive for reading: others may index, delete and view meanwhile, and the page
            shows what they did some seconds later. Only 'compact' and 'delete --forget' need it closed. Where a daemon serves the
            archive at ARCHIVE/hilum.sock, that one is asked. Needs libmicrohttpd-dev when Hilum is built.
            """,
        examples: [
            ("hilum view archive", "prints an address such as http://127.0.0.1:40123/3f…/ to open in a browser"),
            ("hilum view --socket /run/hilum/s --port 8600", "the same beside a daemon, always at this port"),
        ],
        run: runView)
}

private func runView(_ arguments: Arguments) throws -> ExitStatus {
    let socket = arguments.text("socket")
    if let archive = arguments.operands.first, socket != nil {
        throw CommandError.usage("'\(archive)' and --socket exclude each other")
    }
    guard socket != nil || !arguments.operands.isEmpty else { throw CommandError.usage("ARCHIVE is missing") }
    let port = try arguments.integer("port", in: 0...65_535) ?? 0
    let minutes = try arguments.integer("idle-minutes", in: 1...100_000) ?? 0
    if let socket {
        _ = try Client(socketPath: socket)
        return try viewDaemon(at: socket, port, minutes)
    }
    let archive = arguments.operands[0]
    let served = archive + "/hilum.sock"
    if (try? Client(socketPath: served)) != nil {
        standardError("a daemon serves this archive at \(shown(served)); it is asked\n")
        return try viewDaemon(at: served, port, minutes)
    }
    return try viewArchive(archive, port, minutes)
}

/// Shows the page beside a daemon that runs already.
private func viewDaemon(at socket: String, _ port: Int, _ minutes: Int) throws -> ExitStatus {
    Interruption.watch("ending the page")
    let page = try ViewProcess(socket: socket, port: port, idleMinutes: minutes)
    while page.isRunning && !Interruption.flag.isRaised { usleep(50_000) }
    return page.end() ? .done : .failed
}

/// Serves an archive on a socket of its own, in a folder that only this user may enter, and shows the page beside it.
private func viewArchive(_ path: String, _ port: Int, _ minutes: Int) throws -> ExitStatus {
    // The page changes nothing, so it keeps nobody from writing, nor another page from opening, and needs no right to write.
    let archive = try openServedArchive(path, .readOnly)
    let folder = try PrivateFolder()
    defer { folder.remove() }
    var configuration = ServerConfiguration()
    // Who may only read the archive has no right to its key, and gets names for this log alone; a key that is missing is not made here.
    let hasKey = access(path + "/log.key", R_OK) == 0
    configuration.logNames = (hasKey ? try? Archive.logNames(at: path) : nil) ?? LogNames()
    let socket = folder.path + "/s"
    let server = Server(archive: archive, socketPath: socket, configuration: configuration)
    let isOver = AtomicFlag()
    let outcome = PageOutcome()
    let watcher = Thread {
        while !server.isServing && !isOver.isRaised { usleep(5_000) }
        let result = Result { () throws -> Bool in
            guard server.isServing else { return false }
            let page = try ViewProcess(socket: socket, port: port, idleMinutes: minutes)
            while page.isRunning && !isOver.isRaised {
                usleep(50_000)
                archive.refresh()
            }
            return page.end()
        }
        outcome.set(result)
        server.stop()
    }
    watcher.start()
    let served = Result { try server.run() }
    isOver.raise()
    let endedCleanly = Result { try outcome.wait() }
    try served.get()
    return try endedCleanly.get() ? .done : .failed
}

/// How the page's process ended, handed from the thread that watches it.
///
/// Thread rule: any thread.
private final class PageOutcome: Sendable {
    private let result = Mutex<Result<Bool, any Error>?>(nil)

    func set(_ value: Result<Bool, any Error>) { result.withLock { $0 = value } }

    /// Waits for it.
    func wait() throws -> Bool {
        while true {
            if let found = result.withLock({ $0 }) { return try found.get() }
            usleep(5_000)
        }
    }
}

/// The program `hilum-view`, which lies beside this one. It ends with its standard input, so it never outlives this process.
///
/// Thread rule: one thread.
private final class ViewProcess {
    private let process = Process()
    private let input = Pipe()

    /// Starts it; it prints its address on standard output.
    ///
    /// - Throws: `CommandError` when it is not there.
    init(socket: String, port: Int, idleMinutes: Int) throws {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = FilePath.sibling(of: own, named: "hilum-view")
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw CommandError(.failed, "\(program) is missing; it must lie beside hilum")
        }
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = [socket, "\(port)", "\(idleMinutes)"]
        process.standardInput = input
        try process.run()
    }

    var isRunning: Bool { process.isRunning }

    /// Ends it where it still runs.
    ///
    /// - Returns: whether it exited cleanly.
    func end() -> Bool {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
        return process.terminationReason == .exit && process.terminationStatus == 0
    }
}

/// A new folder for a socket, which only this user may enter.
private struct PrivateFolder {
    let path: String

    /// - Throws: `CommandError`.
    init() throws {
        var name = Array((FileManager.default.temporaryDirectory.path + "/hilum-view-XXXXXX").utf8CString)
        let made = name.withUnsafeMutableBufferPointer { buffer in
            // Safety: mkdtemp writes into the six characters before the NUL of this buffer and nowhere else.
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let made else {
            throw CommandError(.failed, "no temporary folder can be made: \(String(cString: strerror(errno)))")
        }
        path = made
    }

    /// Removes it with what is left in it.
    func remove() { try? FileManager.default.removeItem(atPath: path) }
}
