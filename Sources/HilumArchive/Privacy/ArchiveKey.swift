import Foundation
import HilumPrivacy
import Synchronization

/// The key of an archive for pseudonyms, read when it is first needed. Thread rule: any thread.
final class ArchiveKey: Sendable {
    private let file: String
    private let key = Mutex<PseudonymKey?>(nil)

    init(archive path: String) { file = "\(path)/log.key" }

    /// The key.
    ///
    /// - Parameter makes: whether a key is made where there is none. What was hidden by one that is lost stays hidden.
    /// - Throws: `.io`
    func get(makes: Bool) throws(ArchiveError) -> PseudonymKey {
        if let known = key.withLock({ $0 }) { return known }
        guard makes || access(file, F_OK) == 0 else {
            throw ArchiveError(
                .io, "\(file): \(String(cString: strerror(errno))); the names in this archive are sealed by that key")
        }
        do throws(PrivacyError) {
            let read = try PseudonymKey(file: file)
            key.withLock { $0 = read }
            return read
        } catch { throw ArchiveError(.io, error.description) }
    }
}
