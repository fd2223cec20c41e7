import Foundation
import HilumCore
import Testing

/// An Orthanc server of one test: Debian's where it is installed, or a double that answers as it does and can be told to fail.
///
/// Both know the drawn studies of `Doubles/orthanc.py`: one of two images and a report, one of an image, and one of CT.
final class OrthancServer {
    enum Kind: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case double, installed
        var testDescription: String { rawValue }
    }

    private static let python = "/usr/bin/python3"
    private static let script = SourceTree.root + "/Tests/HilumTests/Doubles/orthanc.py"
    private static let program = ["/usr/sbin/Orthanc", "/usr/bin/Orthanc"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static var isInstalled: Bool { program != nil }
    static let hasPython = FileManager.default.isExecutableFile(atPath: python)
    static let hasGDCM = FileManager.default.fileExists(atPath: "/usr/include/gdcm-3.0/gdcmImageReader.h")
    static let login = ["ORTHANC_USER": "feed", "ORTHANC_PASSWORD": "planted-word"]
    static let instanceCount = 5

    let address: String
    /// The drawn files, `instances.json`, and what tells the double to fail.
    let files: String
    private let scratch: Scratch
    private let kind: Kind
    private var process: Process?

    /// Draws the studies and starts the server.
    init(_ kind: Kind, in scratch: Scratch) throws {
        self.kind = kind
        self.scratch = scratch
        files = scratch.path("drawn")
        let drawn = try Program.run([Self.script, "draw", files], program: Self.python)
        try #require(drawn.status == 0, "\(drawn.errors)")
        switch kind {
        case .double:
            let output = scratch.path("orthanc-address")
            process = try Program.start(
                [Self.script, "serve", files], output: try scratch.handle("orthanc-address"),
                errors: try scratch.handle("orthanc.log"), program: Self.python)
            let deadline = monotonicSeconds() + 60
            var line = ""
            while !line.hasSuffix("\n") {
                try #require(monotonicSeconds() < deadline, "the double does not start")
                usleep(10_000)
                line = String(decoding: try FileIO.read(output), as: UTF8.self)
            }
            address = line.trimmingCharacters(in: .newlines)
        case .installed:
            let free = [
                "-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])",
            ]
            let port = try Program.run(free, program: Self.python).text.trimmingCharacters(in: .newlines)
            address = "http://127.0.0.1:\(port)"
            let store = scratch.path("orthanc-store")
            _ = try scratch.write(
                "orthanc.json",
                """
                {"StorageDirectory": "\(store)", "IndexDirectory": "\(store)", "HttpPort": \(port), "DicomServerEnabled": false,
                 "AuthenticationEnabled": true, "RegisteredUsers": {"feed": "planted-word"}, "Plugins": []}
                """)
            try start()
        }
    }

    deinit { kill() }

    /// Starts the installed server again.
    func start() throws {
        let program = try #require(Self.program, "orthanc is not installed")
        process = try Program.start(
            [scratch.path("orthanc.json")], output: FileHandle.nullDevice, errors: try scratch.handle("orthanc.log"),
            program: program)
    }

    /// Ends it without warning.
    func kill() {
        guard let process, process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Lets the instances of this range arrive.
    func receive(_ range: Range<Int>) throws {
        guard kind == .installed else {
            _ = try scratch.write("drawn/shown", "\(range.upperBound)")
            return
        }
        let words = ["upload", address, files, "\(range.lowerBound)", "\(range.upperBound)"]
        let result = try Program.run([Self.script] + words, program: Self.python)
        try #require(result.status == 0, "\(result.errors)")
    }

    /// Makes the double do something wrong, or stop doing so.
    func fail(_ how: String, _ text: String? = "") throws {
        if let text {
            _ = try scratch.write("drawn/" + how, text)
        } else {
            try FileManager.default.removeItem(atPath: files + "/" + how)
        }
    }
}
