import CHilumSystem
import Foundation
import HilumCore

extension EventLoop {
    /// Clients taken in at once, so that a flood of connections leaves time for those that are there.
    private static let acceptCount = 64
    /// Before accepting is tried again when no descriptor is left.
    private static let acceptPauseInSeconds = 0.2

    /// Takes in the clients that wait.
    func accept(now: Double) {
        for _ in 0..<Self.acceptCount {
            let descriptor = hilum_unix_accept(listener)
            if descriptor < 0 {
                switch errno {
                case EAGAIN: return
                case EINTR, ECONNABORTED: continue
                case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                    if shed() { continue }
                    return suspendAccepting(now: now)
                default: return suspendAccepting(now: now)
                }
            }
            if clients.count >= configuration.clientCount {
                refuse(
                    descriptor,
                    "\(configuration.clientCount) clients are connected, which is the limit; try again later")
            } else {
                admit(descriptor, now: now)
            }
        }
    }

    private func admit(_ descriptor: Int32, now: Double) {
        var peer = Peer(process: 0, user: UInt32.max, group: UInt32.max)
        guard hilum_peer_credentials(descriptor, &peer.process, &peer.user, &peer.group) == 0 else {
            return refuse(descriptor, "the kernel does not say who this client is")
        }
        if !configuration.writerGroups.isEmpty { peer.furtherGroups = Self.furtherGroups(of: descriptor) }
        guard hilum_epoll_add(epoll, descriptor, HILUM_READABLE, nextKey) == 0 else {
            return refuse(descriptor, "the daemon has no room for another client; try again later")
        }
        let client = ServedClient(
            key: nextKey, descriptor: descriptor, peer: peer,
            mayWrite: peer.mayWrite(daemonUser: daemonUser, configuration),
            connection: Connection(limits: configuration.connection, now: now))
        nextKey += 1
        clients[client.key] = client
        // Most clients send with connecting; this saves a round through epoll.
        serve(client, mayRead: true, now: now)
    }

    /// The supplementary groups of a client; none where the kernel does not tell.
    private static func furtherGroups(of descriptor: Int32) -> [UInt32] {
        // The most that Linux allows.
        var groups = [UInt32](repeating: 0, count: 65_536)
        let count = hilum_peer_groups(descriptor, &groups, Int32(groups.count))
        return Array(groups.prefix(Int(max(0, count))))
    }

    private func refuse(_ descriptor: Int32, _ text: String) {
        let line = Reply.error(.busy, text, tag: nil).bytes
        _ = hilum_send(descriptor, line, line.count)
        close(descriptor)
        refusals.note(.busy, nil)
    }

    /// No descriptor is left: gives up the reserve to refuse one client in words; false if that did not help.
    private func shed() -> Bool {
        guard reserve >= 0 else { return false }
        close(reserve)
        let descriptor = hilum_unix_accept(listener)
        let isThere = descriptor >= 0
        if isThere { refuse(descriptor, "the daemon has no file descriptor left for another client; try again later") }
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
        return isThere && reserve >= 0
    }

    /// Stops listening for a while, so that a client that cannot be accepted does not keep the loop spinning.
    private func suspendAccepting(now: Double) {
        guard isListening else { return }
        _ = hilum_epoll_remove(epoll, listener)
        isListening = false
        acceptAgain = now + Self.acceptPauseInSeconds
    }

    func resumeAccepting() {
        acceptAgain = nil
        if reserve < 0 { reserve = open("/dev/null", O_RDONLY | O_CLOEXEC) }
        if !isListening && hilum_epoll_add(epoll, listener, HILUM_READABLE, Self.listenerKey) == 0 {
            isListening = true
        }
    }
}
