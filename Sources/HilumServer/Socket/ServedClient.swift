import CHilumSystem
import HilumCore

/// A client of the daemon: its socket and its state machine.
///
/// Thread rule: the thread of the event loop.
final class ServedClient {
    let key: UInt64
    let descriptor: Int32
    let mayWrite: Bool
    let peer: Peer
    var connection: Connection
    var interest: UInt32
    /// Both ends are closed by the peer: out of epoll, nothing can be written.
    var isGone = false
    var isShutDown = false
    var heldByteCount = 0
    /// What a thread has or will have, by ticket; also what is answered already, because its time was over.
    var underWay: [Int: Errand] = [:]

    init(key: UInt64, descriptor: Int32, peer: Peer, mayWrite: Bool, connection: Connection) {
        self.key = key
        self.descriptor = descriptor
        self.peer = peer
        self.mayWrite = mayWrite
        self.connection = connection
        interest = HILUM_READABLE
    }
}
