import Foundation
import HilumCore
import HilumServer

/// Asks the daemon, over a connection of its own for each call, and puts its replies into the JSON that the page reads.
///
/// Thread rule: any thread.
struct DaemonAnswers: Sendable {
    private struct Reply {
        let objects: [String]
        let status: Client.Status
    }

    /// Of the daemon.
    let socket: String

    /// `{"ok":true,"objects":[…],"status":{…}}`, or `{"ok":false,"code":"BADREQ","text":"…"}` where the daemon refuses.
    ///
    /// The daemon's objects go on as they are; each is one line of JSON.
    func answer(_ line: String, literal: [UInt8]? = nil) -> [UInt8] { join(replies([line], literal: literal)) }

    /// The answers to several lines, in their order: `{"answers":[…]}`.
    func answers(_ lines: [String]) -> [UInt8] {
        let parts = replies(lines).map { String(decoding: join([$0]), as: UTF8.self) }
        return Array("{\"answers\":[\(parts.joined(separator: ","))]}".utf8)
    }

    /// The PNG of a reply to PICTURE; nil with the sentence of a refusal.
    func picture(_ line: String, literal: [UInt8]? = nil) -> Result<[UInt8], ViewError> {
        let reply = replies([line], literal: literal)[0]
        guard case .success(let answer) = reply, answer.status.isOK, let object = answer.objects.first,
            let text = (try? JSON(parsing: object))?["png"]?.string, let png = Data(base64Encoded: text)
        else { return .failure(ViewError(.badRequest, "there is no such picture")) }
        return .success(Array(png))
    }

    /// Sends the lines together and reads one reply for each.
    private func replies(_ lines: [String], literal: [UInt8]? = nil) -> [Result<Reply, ServerError>] {
        var replies: [Result<Reply, ServerError>] = []
        do {
            let client = try Client(socketPath: socket, timeoutInSeconds: 130)
            for line in lines { try client.send(line, literal: literal) }
            for _ in lines {
                var objects: [String] = []
                let status = try client.readReply { objects.append($0) }
                replies.append(.success(Reply(objects: objects, status: status)))
            }
        } catch {
            let failure = error as? ServerError ?? ServerError(.closedEarly, "the daemon did not answer")
            while replies.count < lines.count { replies.append(.failure(failure)) }
        }
        return replies
    }

    private func join(_ replies: [Result<Reply, ServerError>]) -> [UInt8] {
        var json = ""
        for reply in replies {
            switch reply {
            case .failure: json += Self.refusal(code: "UNREACHABLE", "the daemon does not answer")
            case .success(let answer):
                if let code = answer.status.code {
                    json += Self.refusal(code: code.rawValue, answer.status.text)
                } else {
                    json += "{\"ok\":true,\"objects\":[\(answer.objects.joined(separator: ","))],"
                    json += "\"status\":\(Self.status(answer.status.text))}"
                }
            }
        }
        return Array(json.utf8)
    }

    /// A refusal in the form of an answer.
    static func refusal(code: String, _ text: String) -> String {
        JSON.object([("ok", .bool(false)), ("code", .string(code)), ("text", .string(text))]).text
    }

    /// `key=value` of a status line as an object of texts.
    private static func status(_ text: String) -> String {
        var reader = ArgumentReader(Array(text.utf8)[...])
        var members: [(key: String, value: JSON)] = []
        while let item = reader.next() {
            if case .argument(let argument) = item, !argument.key.isEmpty {
                members.append((argument.key, .string(argument.value)))
            }
        }
        return JSON.object(members).text
    }
}
