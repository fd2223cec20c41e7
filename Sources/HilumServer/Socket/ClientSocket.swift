import CHilumSystem
import Foundation
import Synchronization

/// The socket of a client, to which a thread may write a reply while the event loop closes it.
///
/// The number of a closed descriptor may be that of another client by then, so nobody writes without the lock. Writing never waits.
///
/// Thread rule: any thread.
final class ClientSocket: Sendable {
    /// Negative once it is closed.
    private let descriptor: Mutex<Int32>

    /// - Parameter descriptor: a non-blocking socket, which is this object's from now on.
    init(_ descriptor: Int32) { self.descriptor = Mutex(descriptor) }

    deinit { close() }

    /// How many of the bytes the socket took; none where it is full, broken or closed, of which epoll tells the loop.
    func send(_ bytes: [UInt8]) -> Int {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return 0 }
            // Safety: send only reads the bytes, which live through the closure.
            return bytes.withUnsafeBytes { max(0, hilum_send(descriptor, $0.baseAddress, $0.count)) }
        }
    }

    func close() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 { Foundation.close(descriptor) }
            descriptor = -1
        }
    }
}
