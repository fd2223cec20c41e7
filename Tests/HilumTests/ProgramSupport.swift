import Foundation
import HilumCore
import Testing

/// The built program, run as a person runs it.
enum Program {
    struct Result {
        let status: Int32
        /// The signal that ended it, 0 if none did.
        let signal: Int32
        let output: [UInt8]
        let errors: String

        var text: String { String(decoding: output, as: UTF8.self) }
        var lines: [String] { text.split(separator: "\n").map(String.init) }

        /// Standard output as one JSON object.
        func object() throws -> [String: Any] {
            try #require(
                try JSONSerialization.jsonObject(with: Data(output)) as? [String: Any], "not an object: \(text)")
        }

        /// Standard output as JSON objects, one a line.
        func objects() throws -> [[String: Any]] {
            try lines.map { line in
                try #require(
                    try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "not an object: \(line)")
            }
        }
    }

    /// `hilum` beside the test bundle.
    static let path: String = {
        let bundle =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("hilum").path
    }()

    static var isThere: Bool { FileManager.default.isExecutableFile(atPath: path) }

    /// Starts the program; the caller waits for it.
    static func start(
        _ words: [String], input: FileHandle? = nil, output: Any, errors: Any, environment: [String: String] = [:],
        folder: String? = nil, program: String? = nil
    ) throws -> Process {
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HILUM_") }
        variables.merge(environment) { _, new in new }
        var attempt = 0
        while true {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program ?? path)
            process.arguments = words
            process.environment = variables
            process.standardInput = input ?? FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = errors
            if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
            do {
                try process.run()
                return process
            } catch {
                // Foundation lists the open descriptors first and closes them in the child: EBADF when another test closed one meanwhile.
                attempt += 1
                let cause = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError)?.code
                guard attempt < 10, cause == Int(EBADF) else { throw error }
            }
        }
    }

    /// Runs the program to its end. Both outputs go to files, so neither can fill a pipe.
    static func run(
        _ words: [String], input: [UInt8]? = nil, environment: [String: String] = [:], folder: String? = nil,
        program: String? = nil
    ) throws -> Result {
        let scratch = try Scratch()
        let output = try scratch.handle("output")
        let errors = try scratch.handle("errors")
        var source: FileHandle?
        if let input {
            try Data(input).write(to: URL(fileURLWithPath: scratch.path("input")))
            source = FileHandle(forReadingAtPath: scratch.path("input"))
        }
        let process = try start(
            words, input: source, output: output, errors: errors, environment: environment, folder: folder,
            program: program)
        process.waitUntilExit()
        let isSignal = process.terminationReason == .uncaughtSignal
        return Result(
            status: isSignal ? -1 : process.terminationStatus, signal: isSignal ? process.terminationStatus : 0,
            output: try FileIO.read(scratch.path("output")),
            errors: String(decoding: try FileIO.read(scratch.path("errors")), as: UTF8.self))
    }
}

/// A folder of one test, removed with its owner.
final class Scratch {
    let folder: String

    init(_ function: String = #function) throws {
        let template = FileManager.default.temporaryDirectory.path + "/hilum-test-XXXXXX"
        var bytes = Array(template.utf8CString)
        let made = bytes.withUnsafeMutableBufferPointer { buffer in
            // Safety: mkdtemp writes into the six characters before the NUL of this buffer and nowhere else.
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        folder = try #require(made, "no temporary folder can be made")
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)
    }

    func path(_ name: String) -> String { folder + "/" + name }

    /// Who may read, write and enter a file or folder; 0 where there is none.
    func rights(_ name: String) -> mode_t {
        var status = stat()
        return stat(path(name), &status) == 0 ? status.st_mode & 0o777 : 0
    }

    func write(_ name: String, _ text: String) throws -> String {
        try FileIO.makeFolder((path(name) as NSString).deletingLastPathComponent)
        try FileIO.writeAtomically(path(name), Array(text.utf8))
        return path(name)
    }

    func handle(_ name: String) throws -> FileHandle {
        _ = FileManager.default.createFile(atPath: path(name), contents: nil)
        return try #require(FileHandle(forWritingAtPath: path(name)))
    }
}
