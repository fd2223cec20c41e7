import HilumCore
import Synchronization

/// Answers the page: its files, its questions, and the pictures on it.
///
/// ```
///  browser ═ 127.0.0.1 ═ HTTPServer ─ Viewer ─┬─ PageFiles        page.html, view.css, main.js and its modules
///                                             ├─ UploadedImages   what was dropped on the page, in memory
///                                             └─ Question ─ line ─ DaemonAnswers ═ Unix socket ═ the daemon
/// ```
/// | file | holds |
/// | --- | --- |
/// | `HilumViewProgram` | the program: arguments, its address, its end |
/// | `HTTPServer` | requests and replies over CMicroHTTPD |
/// | `Viewer` | who may ask, and which request goes where |
/// | `Question` | what the page asks, as a line of the protocol; verbs that read, and no others |
/// | `DaemonAnswers` | the daemon's replies as JSON for the page |
/// | `Resources/page/` | the page itself |
///
/// Thread rule: any number of threads at once.
final class Viewer: HTTPHandler {
    /// When something was last asked for, in seconds of the monotonic clock.
    let lastUse = Mutex(monotonicSeconds())

    private let token: [UInt8]
    private let hosts: Mutex<[String]> = Mutex([])
    private let files: PageFiles
    private let daemon: DaemonAnswers
    private let uploads = UploadedImages()

    /// - Parameter token: the first part of every address.
    init(token: String, files: PageFiles, daemon: DaemonAnswers) {
        self.token = Array(token.utf8)
        self.files = files
        self.daemon = daemon
    }

    /// Says which port the server listens on, before which nothing is answered.
    func listens(on port: UInt16) {
        hosts.withLock { $0 = ["127.0.0.1:\(port)", "localhost:\(port)"] }
    }

    /// How many bytes of body a request may have.
    func admits(_ request: HTTPRequest) -> Int? {
        guard let name = name(request) else { return nil }
        switch (request.method, name) {
        case ("GET", _): return 0
        case ("POST", "image"): return UploadedImages.imageByteCount
        case ("POST", _): return Question.byteCount
        default: return nil
        }
    }

    /// The reply.
    func reply(to request: HTTPRequest) -> HTTPReply {
        guard isFromHere(request) else { return .refusal(403, "this address is answered on this machine only") }
        guard let name = name(request) else {
            return .refusal(403, "the address lacks its token; open the one that hilum view printed")
        }
        lastUse.withLock { $0 = monotonicSeconds() }
        switch request.method {
        case "GET" where name == "picture": return picture(request)
        case "GET": return files.reply(name) ?? .refusal(404, "there is no such file")
        case "POST": return answer(name, request)
        default: return .refusal(405, "only GET and POST are answered")
        }
    }

    // MARK: Who may ask

    /// Whether the browser itself says that it talks to this machine, and for this page: a name that leads here from elsewhere (DNS
    /// rebinding) is in the header.
    private func isFromHere(_ request: HTTPRequest) -> Bool {
        let hosts = hosts.withLock { $0 }
        guard hosts.contains(request.host.lowercased()) else { return false }
        guard let origin = request.origin else { return true }
        return hosts.contains { origin == "http://" + $0 }
    }

    /// What follows the token in the path; nil where the request may not be answered.
    private func name(_ request: HTTPRequest) -> String? {
        guard isFromHere(request) else { return nil }
        let path = Array(request.path.utf8)
        guard path.first == UInt8(ascii: "/") else { return nil }
        let rest = path[1...]
        guard let end = rest.firstIndex(of: UInt8(ascii: "/")), isToken(rest[..<end]) else { return nil }
        return String(decoding: rest[(end + 1)...], as: UTF8.self)
    }

    /// Takes the same time whatever the bytes are, so that no part of the token can be found out by measuring.
    private func isToken(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard bytes.count == token.count else { return false }
        var difference: UInt8 = 0
        for (given, wanted) in zip(bytes, token) { difference |= given ^ wanted }
        return difference == 0
    }

    // MARK: Answers

    private func answer(_ name: String, _ request: HTTPRequest) -> HTTPReply {
        do throws(ViewError) {
            if name == "image" {
                guard !request.body.isEmpty else { throw ViewError(.badRequest, "the image is empty") }
                let key = uploads.keep(request.body)
                return json(Array(JSON.object([("ok", .bool(true)), ("upload", .string(key))]).text.utf8))
            }
            if name == "hello" { return json(daemon.answer("HELLO")) }
            let question = try Question(request.body)
            let image = try question.upload.map { (key) throws(ViewError) in try uploads.bytes(key) }
            switch name {
            case "search": return json(daemon.answer(try question.search(), literal: image))
            case "facets": return json(daemon.answers(try question.facets()))
            case "case": return json(daemon.answer(try question.get()))
            case "studies": return json(daemon.answer(try question.studies()))
            case "heat": return json(daemon.answer(try question.heat(), literal: image))
            default: return .refusal(404, "there is no such question")
            }
        } catch {
            // A refusal is an answer: the page says it in words, and the browser's console stays empty.
            let code = error.code == .uploadGone ? "GONE" : "BADREQ"
            return json(Array(DaemonAnswers.refusal(code: code, error.description).utf8))
        }
    }

    private func picture(_ request: HTTPRequest) -> HTTPReply {
        do {
            let line = try Question.picture(request.arguments)
            let image = try request.arguments["upload"].map { (key) throws(ViewError) in try uploads.bytes(key) }
            return HTTPReply(200, .png, try daemon.picture(line, literal: image).get())
        } catch { return .refusal(404, "there is no such picture") }
    }

    private func json(_ bytes: [UInt8]) -> HTTPReply { HTTPReply(200, .json, bytes) }
}
