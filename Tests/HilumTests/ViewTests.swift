import Foundation
import HilumCore
import HilumImaging
import Testing

/// `hilum view` without a browser: who is answered, and what a request can reach.
@Suite("The viewer", .enabled(if: Viewed.isBuilt, "libmicrohttpd-dev is not installed"))
struct ViewTests {
    @Test("It answers on this machine only, with the token, and to its own name")
    func onlyItsOwnAddress() throws {
        let viewed = try Viewed(in: try Scratch())
        let page = try viewed.get("")
        #expect(page.status == 200 && page.text.contains("<title>Hilum</title>"))
        let policy = try #require(page.headers["content-security-policy"])
        #expect(policy.hasPrefix("default-src 'none'") && !policy.contains("http"))
        #expect(page.headers["referrer-policy"] == "no-referrer" && page.headers["cache-control"] == "no-store")
        #expect(page.headers["set-cookie"] == nil && page.headers["x-content-type-options"] == "nosniff")

        let wrong = String(repeating: "0", count: 32)
        for path in ["/", "//", "/\(wrong)/", "/\(viewed.token)", "/\(viewed.token.dropLast())/", "/\(viewed.token)0/"]
        {
            #expect(try viewed.ask("GET", path).status == 403, "\(path)")
            #expect(try viewed.ask("POST", path + "search", body: Array(#"{"text":"a"}"#.utf8)).status == 403)
        }
        for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:\(viewed.port)", ""] {
            #expect(try viewed.ask("GET", "/\(viewed.token)/", host: host).status == 403, "\(host)")
        }
        #expect(try viewed.ask("GET", "/\(viewed.token)/", host: "localhost:\(viewed.port)").status == 200)
        let path = "/\(viewed.token)/hello"
        #expect(try viewed.ask("POST", path, body: Array("{}".utf8), origin: "http://evil.example").status == 403)
        let own = "http://127.0.0.1:\(viewed.port)"
        #expect(try viewed.ask("POST", path, body: Array("{}".utf8), origin: own).status == 200)
        #expect(Self.listeners(port: viewed.port) == ["0100007F"])
    }

    /// The local addresses that listen on a port, in hexadecimal as the system lists them.
    private static func listeners(port: UInt16) -> [String] {
        ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { file in
            let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").compactMap { line -> String? in
                let words = line.split(separator: " ")
                guard words.count > 3, words[3] == "0A" else { return nil }
                let parts = words[1].split(separator: ":")
                return UInt16(parts[1], radix: 16) == port ? String(parts[0]) : nil
            }
        }
    }

    @Test("Questions, filters, pictures and heat maps are answered")
    func answers() throws {
        let viewed = try Viewed(in: try Scratch())
        let hello = try viewed.post("hello", "{}").json
        #expect(hello["objects"]?.array?.first?["cases"]?.integer == World.caseCount + 3)

        let found = try viewed.post("search", #"{"text":"left pleural effusion","k":60,"group":false}"#).json
        #expect(found["ok"].flatMap { if case .bool(let value) = $0 { value } else { nil } } == true)
        let hit = try #require(found["objects"]?.array?.first { $0["id"]?.string == "two-views" })
        #expect(hit["images"]?.array?.compactMap { $0["view"]?.string } == ["PA", "LATERAL"])
        #expect((hit["highlights"]?.array?.count ?? 0) > 0 && hit["words"]?["rank"]?.integer != nil)
        let said = (hit["said"]?.array ?? []).map { "\($0["name"]?.string ?? "") \($0["assertion"]?.string ?? "")" }
        #expect(said.contains("effusion present") && said.contains("pneumothorax absent"))

        let grouped = try viewed.post(
            "search", #"{"text":"pleural effusion","group":true,"filters":{"patient":["p-two"]}}"#)
        let best = try #require(grouped.json["objects"]?.array)
        #expect(best.count == 1 && best[0]["group"]?["others"]?.integer == 1)
        let studies = try viewed.post("studies", #"{"id":"\#(best[0]["id"]?.string ?? "")","patient":"p-two"}"#).json
        #expect(studies["objects"]?.array?.count == 1)

        let facets = try viewed.post("facets", #"{"keys":["affirmed","view","nosuch"]}"#).json["answers"]?.array
        #expect(facets?.count == 3 && (facets?[0]["objects"]?.array?.count ?? 0) > 2)
        #expect(facets?[2]["code"]?.string == "BADREQ")

        let plain = try viewed.get("picture?id=two-views&place=2&side=64")
        #expect(plain.status == 200 && plain.headers["content-type"] == "image/png")
        #expect(try ImageDecoder.decode(plain.body).width == 64)
        // Twelve bits in sixteen would be black on a screen.
        let dark = try ImageDecoder.decode(try viewed.get("picture?id=dark&side=64").body)
        #expect(dark.samples.max() == 65_535)
        #expect(try viewed.get("picture?id=nosuch").status == 404)
        #expect(try viewed.get("picture?id=two-views&place=3").status == 404)

        let image = try viewed.get("picture?id=two-views&side=512").body
        let kept = try viewed.ask("POST", "/\(viewed.token)/image", body: image).json
        let key = try #require(kept["upload"]?.string)
        let like = try viewed.post("search", #"{"upload":"\#(key)","text":"effusion","unlike":["two-earlier"]}"#).json
        #expect((like["objects"]?.array?.count ?? 0) > 5)
        #expect(try viewed.get("picture?upload=\(key)&side=32").status == 200)
        for target in [#""id":"two-views","place":2"#, #""upload":"\#(key)""#] {
            let heat = try viewed.post("heat", "{\(target),\"text\":\"left effusion\"}").json["objects"]?.array
            #expect(heat?.count == 3 && heat?[0]["region"]?["width"]?.integer != nil, "\(target)")
        }
    }

    @Test("Silent connections, half requests and wrong tokens keep nobody from the page", arguments: [false, true])
    func silentConnections(areSlow: Bool) throws {
        let viewed = try Viewed(in: try Scratch())
        #expect(try viewed.get("").status == 200)
        var silent: [Int32] = []
        defer { for descriptor in silent { close(descriptor) } }
        let wrong = String(repeating: "0", count: 32)
        let part = Array("GET /\(wrong)/ HTTP/1.1\r\nHost: 127.0.0.1:\(viewed.port)\r\n".utf8)
        let whole = part + Array("\r\n".utf8)
        for number in 0..<300 {
            let descriptor = try viewed.connection()
            silent.append(descriptor)
            if areSlow {
                let bytes = number % 2 == 0 ? part : whole
                _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard number % 50 == 49 else { continue }
            let began = monotonicSeconds()
            #expect(try viewed.get("").status == 200)
            #expect(monotonicSeconds() - began < 3, "beside \(number + 1) connections")
        }
        // Its threads are few, however many have connected.
        let page = try #require(try viewed.children().first)
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(page)/task").count
        #expect(threads < 128, "\(threads) threads")
        #expect(try viewed.post("hello", "{}").status == 200)
    }

    @Test("A connection that has shown the token stays, however long it is silent beside others")
    func knownConnections() throws {
        let viewed = try Viewed(in: try Scratch())
        let browser = try viewed.connection()
        defer { close(browser) }
        let request = Array(
            "GET /\(viewed.token)/picture?id=two-views&side=16 HTTP/1.1\r\nHost: 127.0.0.1:\(viewed.port)\r\n\r\n".utf8)
        func ask() -> Bool {
            guard send(browser, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return false }
            var reply = [UInt8](repeating: 0, count: 1 << 16)
            return recv(browser, &reply, reply.count, 0) > 0 && reply.starts(with: Array("HTTP/1.1 200".utf8))
        }
        #expect(ask())
        var silent: [Int32] = []
        defer { for descriptor in silent { close(descriptor) } }
        for _ in 0..<100 { silent.append(try viewed.connection()) }
        // Strangers hear the end of the stream in the end.
        var byte: UInt8 = 0
        let end = monotonicSeconds() + 60
        while !silent.allSatisfy({ recv($0, &byte, 1, Int32(MSG_DONTWAIT)) == 0 }) {
            try #require(monotonicSeconds() < end, "silent connections were kept")
            usleep(50_000)
        }
        #expect(ask())
    }

    @Test("No request writes, names a file or breaks out of its line, and bodies have a bound")
    func hostileRequests() throws {
        let scratch = try Scratch()
        let viewed = try Viewed(in: scratch)
        let secret = try scratch.write("secret.png", "nothing to see")
        let hostile = [
            #"{"text":"a\nDELETE id=two-views"}"#, #"{"text":"a\" DELETE id=two-views"}"#,
            #"{"like":["x\nDELETE id=two-views"]}"#, #"{"text":"a","filters":{"view\nDELETE":["x"]}}"#,
            #"{"text":"a","filters":{"image":["\#(secret)"]}}"#, #"{"text":"a","filters":{"with":["path"]}}"#,
            #"{"text":"a","filters":{"bytes":["4"]}}"#, #"{"text":"a","filters":{"deadline_ms":["1"]}}"#,
            #"{"text":"a","filters":{"View":["x"]}}"#, #"{"text":"a","filters":{"view":["x,y"]}}"#,
            #"{"text":"a","filters":{"view":"PA"}}"#, #"{"text":"a","filters":{"date":["2010..2011,2019.."]}}"#,
            #"{"text":"a","k":0}"#, #"{"text":"a","k":101}"#, #"{"text":"a","k":"10"}"#, #"{"text":"a","mode":"x"}"#,
            #"{"text":"a","weights":{"words":-1}}"#, #"{"text":"a","weights":{"words":1e999}}"#,
            #"{"text":"a","weights":{"x y":1}}"#, #"{"text":7}"#, #"{"like":"two-views"}"#, #"{"like":[1]}"#,
            #"{"like":["a","b","c","d","e","f","g","h","i"]}"#, #"{"text":"a","group":1}"#, #"{"upload":"nosuch"}"#,
            #"{"upload":{}}"#, "[]", "{", "", "{\"text\":\"\(String(repeating: "a", count: 5000))\"}",
            "{\"like\":[\"\(String(repeating: "a", count: 300))\"]}",
        ]
        for body in hostile {
            let reply = try viewed.post("search", body)
            #expect(reply.status == 200, "\(body)")
            // Either refused, or taken for words and ids that are not there.
            if let objects = reply.json["objects"]?.array { #expect(objects.allSatisfy { $0["path"] == nil }) }
            #expect(!reply.text.contains("nothing to see"))
        }
        for name in ["put", "delete", "snapshot", "reembed", "PUT", "metrics", "query", "search/", "../search"] {
            #expect([403, 404].contains(try viewed.post(name, #"{"id":"two-views"}"#).status), "\(name)")
        }
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            #expect(try viewed.ask(method, "/\(viewed.token)/search").status >= 400, "\(method)")
        }
        for name in [
            "../../secret.png", "%2e%2e/secret.png", "picture", "picture?id=", "picture?side=9999&id=two-views",
            "picture?id=two-views%0ADELETE%20id=two-views", "page.html/../words.js", "favicon.ico",
        ] {
            #expect([400, 403, 404].contains(try viewed.get(name).status), "\(name)")
        }
        #expect(try viewed.post("search", "{\"text\":\"" + String(repeating: " ", count: 40_000) + "\"}").status == 413)
        let lie =
            "POST /\(viewed.token)/image HTTP/1.1\r\nHost: 127.0.0.1:\(viewed.port)\r\nContent-Length: 999999999999\r\n\r\n"
        #expect(try viewed.send(raw: Array(lie.utf8)).status == 413)
        let notAnImage = try viewed.ask("POST", "/\(viewed.token)/image", body: Array("no image".utf8)).json
        let key = try #require(notAnImage["upload"]?.string)
        #expect(try viewed.post("search", #"{"upload":"\#(key)"}"#).json["code"]?.string == "BADIMAGE")
        #expect(try viewed.get("picture?upload=\(key)").status == 404)

        let hello = try viewed.post("hello", "{}").json
        #expect(hello["objects"]?.array?.first?["cases"]?.integer == World.caseCount + 3, "something was written")
        #expect(!viewed.errors.contains("pleural") && !viewed.errors.contains("two-views"), "\(viewed.errors)")
    }

    @Test("Ctrl-C ends the page and its daemon, and a page without its parent ends by itself")
    func endsCleanly() throws {
        let scratch = try Scratch()
        let viewed = try Viewed(in: scratch)
        #expect(try viewed.children().count == 1)
        #expect(viewed.stop() == 0)
        #expect(try Program.run(["check", viewed.archive]).status == 0)
        #expect(Self.isRefused(viewed.port))

        let killed = try Viewed(in: try Scratch())
        kill(killed.identifier, SIGKILL)
        let deadline = monotonicSeconds() + 20
        while !Self.isRefused(killed.port) && monotonicSeconds() < deadline { usleep(20_000) }
        #expect(Self.isRefused(killed.port), "the page outlived hilum view")
    }

    /// Whether nobody listens on a port of this machine.
    private static func isRefused(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            // Safety: a sockaddr_in is what an AF_INET socket takes for a sockaddr; its size goes along.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) != 0
            }
        }
    }

    @Test("It asks a daemon that is there, and ends when nobody looks")
    func besideADaemon() throws {
        let scratch = try Scratch()
        let archive = try World.shared().archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch, socket: archive + "/hilum.sock")
        for words in [["--socket", daemon.socket], [archive]] {
            let output = try scratch.handle("address")
            let process = try Program.start(
                ["view"] + words + ["--port", "0"], output: output, errors: FileHandle.nullDevice)
            let deadline = monotonicSeconds() + 30
            while try FileIO.read(scratch.path("address")).isEmpty {
                try #require(process.isRunning && monotonicSeconds() < deadline)
                usleep(10_000)
            }
            process.terminate()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0 && daemon.isRunning)
        }
        let missing = try Program.run(["view", "--socket", scratch.path("nobody")])
        #expect(missing.status == 5)
        #expect(try Program.run(["view", scratch.path("nothing")]).status == 1)
    }

    @Test("A page keeps nobody from writing, nor another page from opening, and shows what others did")
    func besideOthers() throws {
        let scratch = try Scratch()
        let viewed = try Viewed(in: scratch)
        let output = try scratch.handle("second")
        let process = try Program.start(
            ["view", viewed.archive, "--port", "0"], output: output, errors: FileHandle.nullDevice)
        let deadline = monotonicSeconds() + 30
        while try FileIO.read(scratch.path("second")).isEmpty {
            try #require(process.isRunning && monotonicSeconds() < deadline)
            usleep(10_000)
        }
        func ids() throws -> Set<String> {
            let found = try viewed.post("search", #"{"text":"effusion","k":60,"group":false}"#).json
            return Set((found["objects"]?.array ?? []).compactMap { $0["id"]?.string })
        }
        func cases() throws -> Int? { try viewed.post("hello", "{}").json["objects"]?.array?.first?["cases"]?.integer }
        let before = try ids()
        #expect(before.contains("two-views"))
        let count = try #require(try cases())
        let deleted = try Program.run(["delete", viewed.archive, "two-views"])
        #expect(deleted.status == 0, "\(deleted.errors)")
        let row = try scratch.write(
            "new/cases.jsonl", #"{"id":"fresh","report":"Large left pleural effusion."}"# + "\n")
        let indexed = try Program.run(["index", viewed.archive, row, "--quiet"])
        #expect(indexed.status == 0, "\(indexed.errors)")
        let end = monotonicSeconds() + 60
        while try !ids().contains("fresh"), monotonicSeconds() < end { usleep(50_000) }
        let after = try ids()
        #expect(after.contains("fresh") && !after.contains("two-views"))
        #expect(try cases() == count)
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test("Every finding that the page names in Japanese is one of the lexicon's")
    func findingNames() throws {
        func lines(_ path: String) throws -> [Substring] {
            String(decoding: try FileIO.read(SourceTree.root + "/Sources/" + path), as: UTF8.self).split(
                separator: "\n")
        }
        let known = Set(
            try lines("HilumReports/Resources/Lexicon/names.txt").compactMap { $0.split(separator: " ").first })
        let labels = try JSON(parsing: lines("hilum-view/Resources/page/labels.json").joined(separator: "\n"))
        guard case .object(let members)? = labels["findings"] else { throw CocoaError(.fileReadCorruptFile) }
        let named = members.map(\.key)
        #expect(named.count > 50)
        for name in named { #expect(known.contains(Substring(name)), "\(name)") }
    }
}
