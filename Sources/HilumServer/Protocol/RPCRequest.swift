import HilumCore

/// A request as JSON-RPC 2.0: one object a line, on the same socket as the line protocol; a pure function of its bytes.
///
/// ```
/// {"jsonrpc":"2.0","id":1,"method":"search","params":{"text":"left effusion","k":5,"view":["PA","AP"]}}
///      → SEARCH text="left effusion" k=5 view=PA,AP
/// ```
/// | in JSON | in a line |
/// | --- | --- |
/// | method `reembed.start` | `REEMBED start` |
/// | member `key`, `key!` | `key=`, `key!=` |
/// | string, number | the value |
/// | true, false | 1, 0 |
/// | a list | the argument several times where it may repeat, else values joined with commas |
/// | null | nothing |
/// | `bytes`, in base64 | `bytes=N` and N octets |
enum RPCRequest {
    /// A line has at most so many bytes: a picture of 6 MB in base64. Larger ones go as octets in the line protocol. What is not the picture
    /// has a bound of its own.
    static let longestLineInBytes = 8 << 20
    /// An id has at most so many bytes, like a tag.
    private static let longestIDInBytes = 2 * RequestLine.longestTagInBytes

    /// What a request that cannot be read is told.
    private struct Fault: Error {
        let code: Int
        let text: String
    }

    /// Whether a line is JSON-RPC.
    static func isMeant(by line: ArraySlice<UInt8>) -> Bool { line.first == UInt8(ascii: "{") }

    /// The request that a line holds, or what is wrong with it.
    ///
    /// - Parameter limit: bytes of what is not a picture. In a longer line the picture stays encoded (`Request.decodeLiteral`).
    static func read(_ line: ArraySlice<UInt8>, limitInBytes limit: Int) -> ParsedItem {
        var line = line
        var taken: RPCLiteral?
        if line.count > limit {
            taken = RPCLiteral(takenOff: line, limitInBytes: limit)
            guard let taken else {
                return .rpcFault(
                    id: ReplyForm.unknownID, fault: ReplyForm.Fault.request, code: .limit,
                    text: "a line of JSON-RPC has at most \(limit) bytes besides the picture in bytes", closes: false)
            }
            line = taken.line[...]
        }
        let json: JSON
        do { json = try JSON(parsing: line) } catch {
            let text = "this is not JSON: \(error)"
            return .rpcFault(
                id: ReplyForm.unknownID, fault: ReplyForm.Fault.parse, code: .badRequest, text: text, closes: false)
        }
        var id: [UInt8]? = ReplyForm.unknownID
        do throws(Fault) {
            id = try self.id(of: json)
            var request = try request(of: json, taken)
            request.form = .rpc(id: id, fault: nil)
            return .request(request)
        } catch {
            return .rpcFault(id: id, fault: error.code, code: .badRequest, text: error.text, closes: false)
        }
    }

    /// The id as it is spelled; nil for a notification.
    private static func id(of json: JSON) throws(Fault) -> [UInt8]? {
        switch json["id"] {
        case nil: return nil
        case .numeral(let text)? where text.utf8.count <= longestIDInBytes: return Array(text.utf8)
        case .string(let text)? where text.utf8.count <= longestIDInBytes: return Array(Argument.quoted(text).utf8)
        case .null?: return ReplyForm.unknownID
        default:
            throw Fault(
                code: ReplyForm.Fault.request, text: "id is a number or a string of at most \(longestIDInBytes) bytes")
        }
    }

    private static func request(of json: JSON, _ taken: RPCLiteral?) throws(Fault) -> Request {
        guard json["jsonrpc"]?.string == "2.0" else {
            throw Fault(code: ReplyForm.Fault.request, text: "jsonrpc must be \"2.0\"")
        }
        guard let method = json["method"]?.string else {
            throw Fault(code: ReplyForm.Fault.request, text: "method is missing; it is a verb, such as \"search\"")
        }
        let words = method.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard words.count <= 2,
            words.allSatisfy({
                $0.utf8.count <= RequestLine.longestVerbInBytes && !$0.isEmpty
                    && $0.utf8.allSatisfy(LineScanner.isLetter)
            })
        else {
            throw Fault(
                code: ReplyForm.Fault.request, text: "method is a verb, such as \"search\" or \"reembed.status\"")
        }
        var request = Request(verb: words[0].uppercased())
        if words.count == 2 { request.arguments.append(Argument(key: "", value: words[1])) }
        switch json["params"] {
        case nil, .null?: break
        case .object(let members)?:
            guard members.count <= Request.mostArguments else {
                throw Fault(
                    code: ReplyForm.Fault.parameters, text: "params has at most \(Request.mostArguments) members")
            }
            let repeatable = Set((request.verb?.options ?? []).filter(\.isRepeatable).map(\.name))
            for (key, value) in members {
                if key == RPCLiteral.name {
                    try add(literal: value, taken, to: &request)
                } else {
                    try add(key, value, repeatable, to: &request)
                }
            }
        default:
            throw Fault(
                code: ReplyForm.Fault.parameters,
                text: "params is an object of the verb's arguments, such as {\"text\":\"left effusion\"}")
        }
        return request
    }

    private static func add(literal value: JSON, _ taken: RPCLiteral?, to request: inout Request) throws(Fault) {
        if case .null = value { return }
        guard let text = value.string else {
            throw Fault(code: ReplyForm.Fault.parameters, text: "bytes is a string: a picture in base64")
        }
        if let taken {
            request.encodedLiteral = taken.picture(text)
        } else {
            do { request.literal = try RPCLiteral.decode(Array(text.utf8)) } catch {
                throw Fault(code: ReplyForm.Fault.parameters, text: error.text)
            }
        }
    }

    private static func add(
        _ name: String, _ value: JSON, _ repeatable: Set<String>, to request: inout Request
    ) throws(Fault) {
        if case .null = value { return }
        let isNegated = name.hasSuffix("!")
        let key = isNegated ? String(name.dropLast()) : name
        guard LineScanner.isKey(Array(key.utf8)[...]) else {
            throw Fault(
                code: ReplyForm.Fault.parameters,
                text: "a member of params is named by a-z or _ first, then a-z, 0-9, _ or a point; ! behind it negates")
        }
        let values: [String]
        if case .array(let elements) = value {
            var texts: [String] = []
            for element in elements { texts.append(try text(of: element, key)) }
            guard !texts.isEmpty else {
                throw Fault(code: ReplyForm.Fault.parameters, text: "\(key) is an empty list; leave it out")
            }
            let mayRepeat = repeatable.contains(key)
            guard mayRepeat || !texts.contains(where: { $0.contains(",") }) || texts.count == 1 else {
                throw Fault(
                    code: ReplyForm.Fault.parameters,
                    text: "\(key): a value with a comma cannot stand in a list, whose values are joined with commas")
            }
            values = mayRepeat ? texts : [texts.joined(separator: ",")]
        } else {
            values = [try text(of: value, key)]
        }
        for value in values { request.arguments.append(Argument(key: key, value: value, isNegated: isNegated)) }
    }

    private static func text(of value: JSON, _ key: String) throws(Fault) -> String {
        switch value {
        case .string(let text): return text
        case .numeral(let text): return text
        case .bool(let isSet): return isSet ? "1" : "0"
        case .null, .array, .object:
            throw Fault(
                code: ReplyForm.Fault.parameters, text: "\(key) takes a string, a number, true, false or a list of them"
            )
        }
    }
}
