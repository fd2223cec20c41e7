import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

/// `hilum view` of one test, over a small archive of drawn cases.
final class Viewed {
    /// Whether this build can show the page at all.
    static let isBuilt = FileManager.default.fileExists(atPath: "/usr/include/microhttpd.h")

    /// The address that it printed, with a slash at its end.
    let address: String
    let port: UInt16
    let token: String
    let archive: String
    private let process: Process
    private let errorLog: String
    /// Holds the images that the archive names.
    private let scratch: Scratch

    var errors: String { (try? FileIO.read(errorLog)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
    var isRunning: Bool { process.isRunning }
    var identifier: Int32 { process.processIdentifier }

    /// Makes the archive and shows it.
    ///
    /// - Parameter options: further words of the call.
    init(in scratch: Scratch, _ options: [String] = []) throws {
        self.scratch = scratch
        archive = try Self.makeArchive(in: scratch)
        let output = scratch.path("address")
        errorLog = scratch.path("view.log")
        process = try Program.start(
            ["view", archive] + options, output: try scratch.handle("address"), errors: try scratch.handle("view.log"))
        let deadline = monotonicSeconds() + 60
        var line = ""
        while !line.hasSuffix("\n") {
            line = String(decoding: try FileIO.read(output), as: UTF8.self)
            let words = (try? FileIO.read(errorLog)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            try #require(process.isRunning && monotonicSeconds() < deadline, "no address was printed: \(words)")
            usleep(10_000)
        }
        address = line.trimmingCharacters(in: .newlines)
        let url = try #require(URLComponents(string: address))
        port = UInt16(try #require(url.port))
        token = url.path.trimmingCharacters(in: ["/"])
        try #require(url.host == "127.0.0.1" && token.count == 32)
    }

    deinit { stop() }

    /// The processes that it has started.
    func children() throws -> [Int32] {
        let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(identifier)/task")
        return tasks.flatMap { task in
            let list = try? String(contentsOfFile: "/proc/\(identifier)/task/\(task)/children", encoding: .utf8)
            return (list ?? "").split(separator: " ").compactMap { Int32($0) }
        }
    }

    /// Ends it as Ctrl-C does, and returns its exit status.
    @discardableResult
    func stop() -> Int32 {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    /// The drawn cases of the world, and three that the page has something to show of: a study with a frontal and a lateral image, an
    /// earlier one of the same patient, and a picture of 12 bits.
    private static func makeArchive(in scratch: Scratch) throws -> String {
        let archive = try World.shared().archive(in: scratch, indexed: true)
        let folder = scratch.path("studies")
        try FileIO.makeFolder(folder)
        let generator = PhantomGenerator(seed: 77, site: .a, side: 128)
        for number in 0..<3 {
            let image = generator.makeCase(number).image
            try FileIO.writeAtomically("\(folder)/\(number).png", try PNGEncoder.encode(image))
        }
        var dark = generator.makeCase(3).image
        for index in dark.samples.indices { dark.samples[index] /= 16 }
        try FileIO.writeAtomically(folder + "/dark.png", try PNGEncoder.encode(dark, bitDepth: 16))
        let rows = [
            #"{"id":"two-views","image":["0.png","1.png"],"view":["PA","LATERAL"],"patient":"p-two","date":"2020-02-03","#
                + #""report":"Findings: Large left pleural effusion. No pneumothorax."}"#,
            #"{"id":"two-earlier","image":"2.png","view":"PA","patient":"p-two","date":"2019-01-01","#
                + #""report":"No pleural effusion. 胸水なし。 <b>bold</b>"}"#,
            #"{"id":"dark","image":"dark.png","view":"PA","patient":"p-dark","report":"Right pneumothorax."}"#,
        ]
        try FileIO.writeAtomically(folder + "/cases.jsonl", Array((rows.joined(separator: "\n") + "\n").utf8))
        let indexed = try Program.run(["index", archive, folder, "--quiet"])
        try #require(indexed.status == 0, "\(indexed.errors)")
        return archive
    }

    // MARK: Plain HTTP

    struct Reply {
        let status: Int
        let headers: [String: String]
        let body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: JSON { (try? JSON(parsing: body[...])) ?? .null }
    }

    struct NotConnected: Error { let errno: Int32 }

    /// A connection over which nothing was said yet; the caller closes it.
    func connection() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            // Safety: a sockaddr_in is what an AF_INET socket takes for a sockaddr; its size goes along.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            close(descriptor)
            throw NotConnected(errno: errno)
        }
        return descriptor
    }

    /// Sends one request as it stands and reads the reply to its end.
    func send(raw bytes: [UInt8]) throws -> Reply {
        let descriptor = try connection()
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var sent = 0
        while sent < bytes.count {
            // Safety: `sent` is below the count of the array, which lives through this closure.
            let count = bytes.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            // It may have answered and closed before it had read everything.
            if count <= 0 { break }
            sent += count
        }
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count <= 0 { break }
            received += chunk[..<count]
        }
        return try Self.parse(received)
    }

    private static func parse(_ bytes: [UInt8]) throws -> Reply {
        let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)), "no reply: \(bytes.count) bytes")
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
        let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return Reply(status: try #require(status), headers: headers, body: Array(bytes[end.upperBound...]))
    }

    /// A request as a browser sends it; nil headers are left out.
    func ask(
        _ method: String, _ path: String, body: [UInt8] = [], host: String? = nil, origin: String? = nil
    ) throws -> Reply {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(host ?? "127.0.0.1:\(port)")\r\nConnection: close\r\n"
        if let origin { head += "Origin: \(origin)\r\n" }
        if method == "POST" { head += "Content-Length: \(body.count)\r\n" }
        return try send(raw: Array((head + "\r\n").utf8) + body)
    }

    /// A question of the page.
    func post(_ name: String, _ body: String) throws -> Reply {
        try ask("POST", "/\(token)/\(name)", body: Array(body.utf8))
    }

    func get(_ name: String) throws -> Reply { try ask("GET", "/\(token)/\(name)") }
}
