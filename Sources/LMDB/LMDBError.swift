import CLMDB
import Foundation

/// A call of LMDB, or a check around it, that did not succeed.
public struct LMDBError: Error, CustomStringConvertible, Sendable {
    /// What went wrong, for code.
    public enum Code: Sendable, Equatable {
        /// There is no environment at the path.
        case notFound
        /// An environment stands at the path already.
        case exists
        /// `put` with `.appending` met a key that is not above all others, or with `.new` one that is there.
        case keyExists
        /// The map is too small; `Environment.write` grows it and runs the closure again.
        case mapFull
        /// Another process made the map larger; the environment adopts its size and begins again.
        case mapResized
        /// More than `maxReaders` read transactions at once.
        case readersFull
        /// The file is not one LMDB can use, or its pages contradict each other.
        case damaged(String)
        /// This process has the environment open already.
        case alreadyOpen
        /// The environment was closed, or a commit failed and it must be opened again.
        case closed, poisoned
        /// A write into an environment opened for reading.
        case readOnly
        /// The volume has no room left.
        case diskFull
        /// A key is empty or longer than 511 bytes, or a value is too long.
        case badSize
        /// Anything else: an LMDB code (negative) or an errno.
        case other(Int32)
    }

    /// What went wrong, for code.
    public let code: Code
    /// The C function that failed, or the check.
    public let call: String
    /// The environment's folder.
    public let path: String

    /// An error of `call` on the environment at `path`.
    public init(_ code: Code, call: String, path: String) {
        self.code = code
        self.call = call
        self.path = path
    }

    /// What went wrong and what to do about it, for people.
    public var description: String {
        switch code {
        case .notFound: "\(path): there is no store here"
        case .exists: "\(path): a store stands here already"
        case .keyExists: "\(path): \(call): the key exists"
        case .mapFull: "\(path): \(call): the store's map is full and could not grow"
        case .mapResized: "\(path): \(call): another process made the store larger; try again"
        case .readersFull: "\(path): too many readers at once; close some and try again"
        case .damaged(let what): "\(path): the store is damaged (\(what)); restore it from a snapshot"
        case .alreadyOpen: "\(path): this process has the store open already"
        case .closed: "\(path): the store was closed"
        case .poisoned: "\(path): an earlier commit failed; close the store and open it again"
        case .readOnly: "\(path): the store is open for reading only"
        case .diskFull: "\(path): the disk is full; nothing was written; make room and try again"
        case .badSize: "\(path): \(call): a key must hold 1 to 511 bytes"
        case .other(let number): "\(path): \(call): \(String(cString: mdb_strerror(number)))"
        }
    }

    /// Throws what `status` of `call` means; 0 is success.
    static func check(_ status: Int32, _ call: String, path: String) throws(LMDBError) {
        if status != 0 { throw LMDBError(status: status, call: call, path: path) }
    }

    init(status: Int32, call: String, path: String) {
        let code: Code =
            switch status {
            case MDB_KEYEXIST: .keyExists
            case MDB_MAP_FULL: .mapFull
            case MDB_MAP_RESIZED: .mapResized
            case MDB_READERS_FULL: .readersFull
            case MDB_BAD_VALSIZE: .badSize
            case MDB_PANIC: .poisoned
            case MDB_CORRUPTED: .damaged("a page of the wrong kind")
            case MDB_PAGE_NOTFOUND: .damaged("a page that is not there")
            case MDB_INVALID: .damaged("not an LMDB file")
            case MDB_VERSION_MISMATCH: .damaged("a file of another LMDB version")
            case ENOSPC: .diskFull
            // LMDB reports a short write as EIO; a volume without room is the usual reason.
            case EIO where LMDBError.isFull(path): .diskFull
            case EACCES where call == "put": .readOnly
            case ENOENT: .notFound
            default: .other(status)
            }
        self.init(code, call: call, path: path)
    }

    private static func isFull(_ path: String) -> Bool {
        var volume = statvfs()
        guard statvfs(path, &volume) == 0 else { return false }
        return UInt64(volume.f_bavail) * UInt64(volume.f_frsize) < 1 << 20
    }
}
