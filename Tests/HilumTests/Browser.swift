import Foundation
import HilumCore
import Testing

/// Chromium without a window, driven over a pipe by its DevTools protocol: JSON messages, each ended by a zero byte, on two
/// descriptors that are one socket.
///
/// Thread rule: one thread.
final class Browser {
    static let program = "/usr/bin/chromium"
    static let isThere = FileManager.default.isExecutableFile(atPath: program)

    struct Failure: Error, CustomStringConvertible { let description: String }

    private var process = pid_t()
    private let descriptor: Int32
    private var received: [UInt8] = []
    private var lastNumber = 0
    private var session: String?
    private let profile: Scratch
    /// What the page complained about: errors and warnings of its console, exceptions, failed requests.
    private(set) var complaints: [String] = []
    /// Every address that was asked for.
    private(set) var addresses: [String] = []

    init() throws {
        profile = try Scratch()
        var pair: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &pair) == 0)
        // Above the two numbers that the browser expects, so that none of them is overwritten on the way.
        let far = fcntl(pair[1], F_DUPFD_CLOEXEC, 20)
        close(pair[1])
        descriptor = pair[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, profile.path("log"), O_WRONLY | O_CREAT, 0o600)
        // It reads from the first and writes to the second.
        posix_spawn_file_actions_adddup2(&actions, far, 3)
        posix_spawn_file_actions_adddup2(&actions, far, 4)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that its children end with it.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let words = [
            Self.program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-extensions",
            "--hide-scrollbars", "--lang=en-US", "--user-data-dir=\(profile.path("profile"))",
            "--remote-debugging-pipe", "about:blank",
        ]
        let variables = [
            "HOME=\(profile.folder)", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "XDG_RUNTIME_DIR=\(profile.folder)",
        ]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        // Safety: the strings live to the end of this function; posix_spawn copies them.
        let failure = posix_spawn(&process, Self.program, &actions, &attributes, &arguments, &environment)
        close(far)
        try #require(failure == 0, "\(Self.program): \(String(cString: strerror(failure)))")
        let target = try call("Target.createTarget", ["url": "about:blank"])
        let attached = try call("Target.attachToTarget", ["targetId": target["targetId"] ?? "", "flatten": true])
        session = attached["sessionId"] as? String
        for domain in ["Page", "Runtime", "Log", "Network", "DOM", "Accessibility"] { _ = try call(domain + ".enable") }
    }

    deinit {
        close(descriptor)
        guard process > 0 else { return }
        kill(-process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }

    /// Sends a command and waits for its result; events that come meanwhile are noted.
    @discardableResult
    func call(_ method: String, _ parameters: [String: Any] = [:]) throws -> [String: Any] {
        lastNumber += 1
        var message: [String: Any] = ["id": lastNumber, "method": method, "params": parameters]
        if let session { message["sessionId"] = session }
        var bytes = Array(try JSONSerialization.data(withJSONObject: message)) + [0]
        var sent = 0
        while sent < bytes.count {
            // Safety: `sent` is below the count of the array, which lives through this closure.
            let count = bytes.withUnsafeMutableBytes {
                send(descriptor, $0.baseAddress.map { $0 + sent }, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "\(method): the browser has ended") }
            sent += count
        }
        let deadline = monotonicSeconds() + 60
        while true {
            let reply = try next(until: deadline, method)
            guard reply["id"] as? Int == lastNumber else {
                note(reply)
                continue
            }
            if let error = reply["error"] { throw Failure(description: "\(method): \(error)") }
            return reply["result"] as? [String: Any] ?? [:]
        }
    }

    private func next(until deadline: Double, _ method: String) throws -> [String: Any] {
        while true {
            if let end = received.firstIndex(of: 0) {
                let object = try JSONSerialization.jsonObject(with: Data(received[..<end]))
                received.removeFirst(end + 1)
                return object as? [String: Any] ?? [:]
            }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let left = deadline - monotonicSeconds()
            guard left > 0, poll(&waiting, 1, Int32(left * 1000)) != 0 else {
                throw Failure(description: "\(method): no answer within a minute")
            }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { throw Failure(description: "\(method): the browser has ended") }
            received += chunk[..<count]
        }
    }

    private func note(_ event: [String: Any]) {
        let parameters = event["params"] as? [String: Any] ?? [:]
        switch event["method"] as? String {
        case "Runtime.exceptionThrown": complaints.append("exception: \(parameters)")
        case "Runtime.consoleAPICalled":
            if ["error", "warning", "assert"].contains(parameters["type"] as? String ?? "") {
                complaints.append("console: \(parameters["args"] ?? "")")
            }
        case "Log.entryAdded":
            let entry = parameters["entry"] as? [String: Any] ?? [:]
            if ["error", "warning"].contains(entry["level"] as? String ?? "") {
                complaints.append("log: \(entry["text"] ?? "") \(entry["url"] ?? "")")
            }
        case "Network.requestWillBeSent":
            let request = parameters["request"] as? [String: Any] ?? [:]
            if let address = request["url"] as? String { addresses.append(address) }
        default: break
        }
    }

    // MARK: The page

    /// The value of a JavaScript expression; a promise is waited for.
    @discardableResult
    func evaluate(_ script: String) throws -> Any? {
        let reply = try call(
            "Runtime.evaluate", ["expression": script, "awaitPromise": true, "returnByValue": true])
        if let details = reply["exceptionDetails"] { throw Failure(description: "\(script): \(details)") }
        return (reply["result"] as? [String: Any])?["value"]
    }

    /// Waits until a JavaScript expression is true.
    func wait(_ script: String, seconds: Double = 30) throws {
        let deadline = monotonicSeconds() + seconds
        while try evaluate("Boolean(\(script))") as? Bool != true {
            guard monotonicSeconds() < deadline else {
                throw Failure(description: "did not come true: \(script); \(complaints)")
            }
            usleep(20_000)
        }
    }

    /// Opens an address, and waits until the page is ready.
    func open(_ address: String) throws {
        try call("Page.navigate", ["url": "about:blank"])
        try wait("location.href === 'about:blank'")
        try call("Page.navigate", ["url": address])
        try wait("document.readyState === 'complete' && document.body.dataset.ready")
    }

    /// A screen of so many pixels, dark or light.
    func screen(width: Int, height: Int, isDark: Bool) throws {
        try call(
            "Emulation.setDeviceMetricsOverride",
            ["width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600])
        try call(
            "Emulation.setEmulatedMedia",
            ["features": [["name": "prefers-color-scheme", "value": isDark ? "dark" : "light"]]])
    }

    /// Presses a key: a letter, or a name such as `Enter`.
    func press(_ key: String) throws {
        let codes = ["Enter": 13, "Escape": 27, "Tab": 9]
        var down: [String: Any] = ["type": "keyDown", "key": key, "windowsVirtualKeyCode": codes[key] ?? 0]
        if key == "Enter" { down["text"] = "\r" } else if codes[key] == nil { down["text"] = key }
        try call("Input.dispatchKeyEvent", down)
        try call("Input.dispatchKeyEvent", ["type": "keyUp", "key": key])
    }

    /// Types a text where the focus is.
    func type(_ text: String) throws { try call("Input.insertText", ["text": text]) }

    /// Chooses a file in the input that a selector names.
    func choose(_ path: String, in selector: String) throws {
        let root = try call("DOM.getDocument")["root"] as? [String: Any] ?? [:]
        let node = try call("DOM.querySelector", ["nodeId": root["nodeId"] ?? 0, "selector": selector])
        try call("DOM.setFileInputFiles", ["files": [path], "nodeId": node["nodeId"] ?? 0])
    }

    /// The page as a PNG, as far as the screen reaches.
    func screenshot() throws -> [UInt8] {
        let reply = try call("Page.captureScreenshot", ["format": "png"])
        return Array(Data(base64Encoded: reply["data"] as? String ?? "") ?? Data())
    }

    /// Roles and names of the accessibility tree, of all that is not ignored.
    func accessible() throws -> [(role: String, name: String)] {
        let nodes = try call("Accessibility.getFullAXTree")["nodes"] as? [[String: Any]] ?? []
        func value(_ node: [String: Any], _ key: String) -> String {
            (node[key] as? [String: Any])?["value"] as? String ?? ""
        }
        return nodes.filter { $0["ignored"] as? Bool != true }.map { (value($0, "role"), value($0, "name")) }
    }
}
