import CHilumSystem
import HilumCore

/// A client of the daemon: its socket and its state machine.
///
/// Thread rule: the thread of the event loop.
final class ServedClient {
    let key: UInt64
    /// For the loop, which closes it by `socket`.
    let descriptor: Int32
    let socket: ClientSocket
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
    /// The ticket of a request that a thread answers by itself, as long as word of that need not wake the loop.
    var direct: Int?

    init(key: UInt64, descriptor: Int32, peer: Peer, mayWrite: Bool, connection: Connection) {
        self.key = key
        self.descriptor = descriptor
        socket = ClientSocket(descriptor)
        self.peer = peer
        self.mayWrite = mayWrite
        self.connection = connection
        interest = HILUM_READABLE
    }
}
