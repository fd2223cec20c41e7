import CMicroHTTPD
import Foundation

/// What a browser asks for.
struct HTTPRequest {
    /// Such as `GET`.
    let method: String
    /// Without its arguments, with `%XX` undone.
    let path: String
    /// The header of that name; empty if it is not there.
    let host: String
    /// The header of that name; nil if it is not there.
    let origin: String?
    /// What follows the headers.
    let body: [UInt8]
    /// The arguments behind `?` that were looked for and are there.
    let arguments: [String: String]
}

/// What the browser gets.
struct HTTPReply {
    /// Such as 200.
    let status: UInt32
    let type: ContentType
    let body: [UInt8]

    /// The kinds of body, with a text that lives as long as the program.
    enum ContentType: CaseIterable {
        case html, css, script, json, png, text

        /// As the header names it.
        var name: StaticString {
            switch self {
            case .html: "text/html; charset=utf-8"
            case .css: "text/css; charset=utf-8"
            case .script: "text/javascript; charset=utf-8"
            case .json: "application/json; charset=utf-8"
            case .png: "image/png"
            case .text: "text/plain; charset=utf-8"
            }
        }
    }

    init(_ status: UInt32 = 200, _ type: ContentType, _ body: [UInt8]) {
        self.status = status
        self.type = type
        self.body = body
    }

    /// A refusal: one sentence.
    static func refusal(_ status: UInt32, _ text: String) -> HTTPReply {
        HTTPReply(status, .text, Array((text + "\n").utf8))
    }
}

/// What answers requests.
///
/// Thread rule: any number of threads at once.
protocol HTTPHandler: AnyObject, Sendable {
    /// How many bytes of body a request may have; nil refuses it before its body is read.
    func admits(_ request: HTTPRequest) -> Int?
    /// The reply; to a request that was not admitted, without its body, its refusal.
    func reply(to request: HTTPRequest) -> HTTPReply
}

/// A web server on 127.0.0.1 by libmicrohttpd; one thread a connection.
///
/// Thread rule: one owner. `deinit` ends all connections and waits for their threads.
struct HTTPServer: ~Copyable {
    /// The arguments behind `?` that requests may have.
    static let argumentNames = ["id", "place", "side", "upload"]

    /// Where it listens.
    let port: UInt16
    private let server: OpaquePointer
    private let context: UnsafeMutableRawPointer

    /// Whether this build has libmicrohttpd.
    static var isThere: Bool { hilum_http_is_there() != 0 }

    /// Listens.
    ///
    /// - Parameter port: 0 takes a free one.
    /// - Throws: `ViewError` when the port is taken.
    init(port: UInt16, handler: any HTTPHandler) throws(ViewError) {
        let box = HandlerBox(handler)
        // Safety: the box is kept until `deinit` has ended every thread that could use it.
        let context = Unmanaged.passRetained(box).toOpaque()
        var calls = hilum_http_calls(
            context: context,
            admit: { context, request in
                guard let context, let request else { return -1 }
                let box = HandlerBox.from(context)
                return Int64(box.handler.admits(HTTPServer.read(request)) ?? -1)
            },
            handle: { context, request in
                guard let context, let request else { return HTTPServer.write(.refusal(500, "no request")) }
                let box = HandlerBox.from(context)
                return HTTPServer.write(box.handler.reply(to: HTTPServer.read(request)))
            },
            too_long: { _ in HTTPServer.write(.refusal(413, "too large")) })
        var port = port
        guard let server = hilum_http_start(&port, &calls) else {
            let failure = String(cString: strerror(errno))
            Unmanaged<HandlerBox>.fromOpaque(context).release()
            throw ViewError(.portTaken, "127.0.0.1:\(port): \(failure); give another --port, or none")
        }
        self.server = server
        self.port = port
        self.context = context
    }

    /// Ends it here, and not before.
    consuming func close() {}

    deinit {
        hilum_http_stop(server)
        Unmanaged<HandlerBox>.fromOpaque(context).release()
    }

    private static func read(_ request: UnsafePointer<hilum_http_request>) -> HTTPRequest {
        // Safety: the texts and the body live through the call that this request was handed to, and are copied here.
        func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }
        let raw = request.pointee
        var arguments: [String: String] = [:]
        for name in argumentNames { arguments[name] = text(hilum_http_argument(request, name)) }
        return HTTPRequest(
            method: text(raw.method) ?? "", path: text(raw.path) ?? "", host: text(raw.host) ?? "",
            origin: text(raw.origin), body: Array(UnsafeBufferPointer(start: raw.body, count: raw.body_count)),
            arguments: arguments)
    }

    private static func write(_ reply: HTTPReply) -> hilum_http_reply {
        // Safety: the block has the length of the body, and is the server's from here on; the name of the type is a constant.
        let name = UnsafeRawPointer(reply.type.name.utf8Start).assumingMemoryBound(to: CChar.self)
        let block = malloc(max(1, reply.body.count))
        guard let block else { return hilum_http_reply(status: 503, content_type: name, body: nil, body_count: 0) }
        reply.body.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { block.copyMemory(from: base, byteCount: bytes.count) }
        }
        return hilum_http_reply(
            status: reply.status, content_type: name, body: block.assumingMemoryBound(to: UInt8.self),
            body_count: reply.body.count)
    }
}

/// Holds a handler for C.
private final class HandlerBox: Sendable {
    let handler: any HTTPHandler

    init(_ handler: any HTTPHandler) { self.handler = handler }

    static func from(_ context: UnsafeMutableRawPointer) -> HandlerBox {
        // Safety: the server keeps the box until its last thread has ended.
        Unmanaged<HandlerBox>.fromOpaque(context).takeUnretainedValue()
    }
}
