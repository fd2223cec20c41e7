import HilumCore

/// How the reply to a request is written: as lines, or as JSON-RPC 2.0 where the request came so.
enum ReplyForm: Sendable, Equatable {
    /// Objects, a line each, then the status.
    case lines
    /// One JSON-RPC response. `id` is that of the request as it was spelled, nil for a notification, to which nothing is
    /// answered; `fault` is the JSON-RPC code of a request that could not be read.
    case rpc(id: [UInt8]?, fault: Int?)

    /// The codes that JSON-RPC 2.0 gives a meaning of its own (section 5.1).
    enum Fault {
        static let parse = -32700
        static let request = -32600
        static let method = -32601
        static let parameters = -32602
        static let `internal` = -32603
        /// The first of those that an implementation may use; the others count down.
        static let firstOfServer = -32000
    }

    /// An id for a request whose own could not be read.
    static let unknownID = Array("null".utf8)
}

extension Reply {
    /// Values of a status line that are text even where they look like numbers.
    private static let textFields: Set<String> = [
        "id", "cursor", "sha256", "unknown", "short", "to", "unsaid", "wider",
    ]

    /// The reply with its bytes as a client that asked in this form reads them. Worker threads call it, as megabytes take milliseconds.
    func written(as form: ReplyForm) -> Reply {
        var reply = self
        reply.bytes = bytes(as: form)
        reply.isWritten = true
        return reply
    }

    /// The reply as a client that asked in this form reads it; empty for a notification.
    func bytes(as form: ReplyForm) -> [UInt8] {
        guard !isWritten, case .rpc(let id, let fault) = form else { return bytes }
        guard let id else { return [] }
        var lines = bytes.split(separator: 10)
        let status = lines.popLast().flatMap { Client.Status(line: String(decoding: $0, as: UTF8.self)) }
        var json = JSONWriter()
        json.beginObject()
        json.member("jsonrpc", "2.0")
        json.key("id")
        json.number(spelled: String(decoding: id, as: UTF8.self))
        if let code {
            json.key("error")
            json.beginObject()
            json.member("code", fault ?? code.rpcCode)
            json.member("message", status?.text ?? "")
            json.key("data")
            json.beginObject()
            json.member("code", code.rawValue)
            json.endObject()
            json.endObject()
        } else {
            json.key("result")
            json.beginObject()
            json.key("objects")
            json.beginArray()
            // Each is one JSON object already.
            for line in lines { json.number(spelled: String(decoding: line, as: UTF8.self)) }
            json.endArray()
            json.key("status")
            Self.write(status: status?.text ?? "", to: &json)
            json.endObject()
        }
        json.endObject()
        return json.bytes + [10]
    }

    /// `key=value` of a status line as members of an object; a word without a key is `text`.
    private static func write(status: String, to json: inout JSONWriter) {
        json.beginObject()
        var reader = ArgumentReader(Array(status.utf8)[...])
        while case .argument(let argument)? = reader.next() {
            json.key(argument.key.isEmpty ? "text" : argument.key)
            if !textFields.contains(argument.key), let value = try? JSON(parsing: argument.value),
                case .numeral(let number) = value
            {
                json.number(spelled: number)
            } else {
                json.string(argument.value)
            }
        }
        json.endObject()
    }
}

extension ReplyCode {
    /// The code of a JSON-RPC error; the word itself is in its `data`.
    var rpcCode: Int {
        switch self {
        case .badRequest: ReplyForm.Fault.parameters
        case .unknown: ReplyForm.Fault.method
        case .internal: ReplyForm.Fault.internal
        default: ReplyForm.Fault.firstOfServer - (Self.allCases.firstIndex(of: self) ?? 0)
        }
    }
}
