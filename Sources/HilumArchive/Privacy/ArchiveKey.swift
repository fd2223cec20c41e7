import Foundation
import HilumCore
import HilumPrivacy
import Synchronization

/// The secret of an archive, `log.key`: pseudonyms, sealed names, shifts of dates and the names of cases in logs come from it.
///
/// It is made once, when it is first needed. A file that is there is never written over, as all that was hidden by it would be lost: one
/// that cannot be read, or holds something else, is an error, and people bring it back from a backup. Thread rule: any thread.
final class ArchiveKey: Sendable {
    private struct Keys {
        let pseudonyms: PseudonymKey
        let logNames: LogNames
    }

    private let file: String
    private let keys = Mutex<Keys?>(nil)

    /// Its file in the folder of an archive.
    static let fileName = "log.key"

    init(archive path: String) { file = "\(path)/\(Self.fileName)" }

    /// The key for pseudonyms.
    ///
    /// - Parameter makes: whether a key is made where there is none. What was hidden by one that is lost stays hidden.
    /// - Throws: `.io`
    func get(makes: Bool) throws(ArchiveError) -> PseudonymKey { try read(makes: makes).pseudonyms }

    /// How logs name cases.
    ///
    /// - Throws: `.io`
    func logNames() throws(ArchiveError) -> LogNames { try read(makes: true).logNames }

    /// Makes sure that the key can be read, if there is one.
    ///
    /// - Throws: `.io`
    func check() throws(ArchiveError) { if isThere { _ = try read(makes: false) } }

    /// By which the key is known again; it tells nothing of it.
    ///
    /// - Throws: `.io`
    func mark() throws(ArchiveError) -> String {
        hexadecimal(try read(makes: false).pseudonyms.mark(of: Array("this key".utf8)))
    }

    /// Whether a file is there, whatever it holds and whoever may read it.
    var isThere: Bool {
        var status = stat()
        return lstat(file, &status) == 0 || errno != ENOENT
    }

    private func read(makes: Bool) throws(ArchiveError) -> Keys {
        if let known = keys.withLock({ $0 }) { return known }
        guard makes || isThere else {
            throw ArchiveError(
                .io, "\(file) is missing; the names in this archive are sealed by that key: bring it back from a backup"
            )
        }
        do throws(PrivacyError) {
            let pseudonyms = try PseudonymKey(file: file)
            let names: LogNames
            do throws(FileError) { names = try LogNames(file: file) } catch {
                throw PrivacyError(.file(error.description), path: file)
            }
            let read = Keys(pseudonyms: pseudonyms, logNames: names)
            keys.withLock { $0 = read }
            return read
        } catch {
            throw ArchiveError(
                .io,
                "\(error); pseudonyms and names in logs come from this key, so none is made in its place: "
                    + "give this user the right to read it, or bring it back from a backup")
        }
    }
}
