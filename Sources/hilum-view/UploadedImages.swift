import HilumCore
import Synchronization

/// The images that the page has sent, so that a question can name one: the latest few, in memory alone.
///
/// Thread rule: any thread.
final class UploadedImages: Sendable {
    /// Of one image; the daemon takes no larger one.
    static let imageByteCount = 64 << 20
    private static let mostImages = 8
    private static let mostBytes = 128 << 20

    private let images = Mutex<[(key: String, bytes: [UInt8])]>([])

    /// Keeps an image; the oldest ones go.
    ///
    /// - Returns: its key, the first half of its SHA-256, so that the same image has the same key after a restart.
    func keep(_ bytes: [UInt8]) -> String {
        let key = String(SHA256.hex(bytes).prefix(32))
        images.withLock { images in
            images.removeAll { $0.key == key }
            images.append((key, bytes))
            while images.count > Self.mostImages || images.reduce(0, { $0 + $1.bytes.count }) > Self.mostBytes {
                images.removeFirst()
            }
        }
        return key
    }

    /// The bytes of an image.
    ///
    /// - Throws: `.uploadGone`.
    func bytes(_ key: String) throws(ViewError) -> [UInt8] {
        let found = images.withLock { images in images.first { $0.key == key }?.bytes }
        guard let found else { throw ViewError(.uploadGone, "this image is not here any more; drop it again") }
        return found
    }
}
