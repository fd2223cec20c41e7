import CHilumSystem
import Foundation
import HilumCore
import Testing

@testable import HilumServer

@Suite("A service manager is told how the daemon is, and may pass a socket")
struct ServiceManagerTests {
    @Test("what the environment says is meant for the process that it names")
    func environment() {
        let asked = [
            "LISTEN_PID": "77", "LISTEN_FDS": "1", "NOTIFY_SOCKET": "/run/n", "WATCHDOG_PID": "77",
            "WATCHDOG_USEC": "30000000",
        ]
        let mine = ServiceManager(environment: asked, process: 77)
        #expect(mine.passedSocket == 3 && mine.beatInSeconds == 15)
        let other = ServiceManager(environment: asked, process: 78)
        #expect(other.passedSocket == nil && other.beatInSeconds == nil)
        for change in [("WATCHDOG_USEC", "no"), ("WATCHDOG_USEC", "-5"), ("NOTIFY_SOCKET", "relative")] {
            var odd = asked
            odd[change.0] = change.1
            #expect(ServiceManager(environment: odd, process: 77).beatInSeconds == nil, "\(change)")
        }
        let none = ServiceManager(environment: [:], process: 77)
        #expect(none.passedSocket == nil && none.beatInSeconds == nil)
    }

    /// The datagrams that wait on a socket.
    private func messages(_ descriptor: Int32) -> [String] {
        var messages: [String] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count <= 0 { return messages }
            messages.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }

    @Test("a daemon serves a socket that was passed, says when it is ready, alive and ending, and leaves the socket")
    func served() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/passed"
        let listener = hilum_unix_socket(1)
        #expect(hilum_unix_bind(listener, path) == 0 && listen(listener, 8) == 0)
        let notified = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(notified) }
        #expect(hilum_unix_bind(notified, folder.path + "/notify") == 0)

        let manager = ServiceManager(
            passedSocket: listener, notifyPath: folder.path + "/notify", beatInSeconds: 0.05)
        let running = try RunningServer { $0.serviceManager = manager }
        #expect(try Client(socketPath: path, timeoutInSeconds: 20).request("COUNT").status.fields["count"] == "5")
        var heard: [String] = []
        #expect(
            eventually {
                heard += messages(notified)
                return heard.filter { $0 == "WATCHDOG=1" }.count >= 3
            })
        running.stop()
        heard += messages(notified)
        #expect(heard.first?.hasPrefix("READY=1\n") == true && heard.last == "STOPPING=1")
        #expect(access(path, F_OK) == 0, "the socket is the manager's")
        #expect(access(running.socketPath, F_OK) != 0)
    }

    @Test("what is no listening socket is refused in words")
    func foreign() throws {
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        #expect(throws: ServerError.self) {
            let socket = try ListeningSocket(inherited: descriptor)
            socket.close()
        }
        let quiet = hilum_unix_socket(1)
        defer { close(quiet) }
        #expect(throws: ServerError.self, "it does not listen") {
            let socket = try ListeningSocket(inherited: quiet)
            socket.close()
        }
    }
}
