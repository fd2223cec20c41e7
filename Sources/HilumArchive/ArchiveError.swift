import HilumCore
import HilumIndex
import HilumWords
import LMDB

/// What an archive refuses or could not do; the text says what to do about it.
///
/// It may name case identifiers and paths, never report text, pixels or patients.
public struct ArchiveError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What went wrong, for code.
    public enum Code: Sendable, Equatable {
        /// No such archive or case.
        case notFound
        /// An archive is there already.
        case exists
        /// An image that cannot be read.
        case badImage
        /// A vector of another dimension, not finite, or of length 0.
        case badVector
        /// A request or a case that makes no sense.
        case badRequest
        /// A filter asks for a key that no case has.
        case unknownKey(String)
        /// The archive is open for reading only.
        case readOnly
        /// Something larger than the archive takes.
        case limit
        /// What is asked for needs a model, and none is loaded.
        case notReady
        /// The stored vectors belong to another model, or a file changed since it was stored.
        case stale
        /// Another process, `holder`, writes to the archive (0: unknown).
        case busy(holder: Int32)
        /// The time that a request was given is over.
        case deadline
        /// The store contradicts itself.
        case damaged
        /// The disk is full or fails.
        case io
    }

    /// What went wrong, for code.
    public let code: Code
    /// What went wrong and what to do about it, for people.
    public let reason: String

    /// An error with its sentence.
    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    /// A search found out that nobody waits for it any more.
    static var isOverdue: ArchiveError {
        ArchiveError(.deadline, "the time of deadline_ms= is over; ask for less, or give it more time")
    }

    /// The reason.
    public var description: String { reason }

    /// The same fault in this floor's terms; an `ArchiveError` stays as it is.
    static func wrapping(_ error: any Error) -> ArchiveError {
        switch error {
        case let error as ArchiveError: return error
        case let error as LMDBError:
            let code: Code =
                switch error.code {
                case .notFound: .notFound
                case .exists: .exists
                case .damaged: .damaged
                case .readOnly: .readOnly
                case .alreadyOpen: .busy(holder: Archive.ownProcess)
                case .readersFull: .limit
                case .closed: .notReady
                default: .io
                }
            return ArchiveError(code, error.description)
        case let error as WordsError:
            return ArchiveError(.damaged, "the table of words: \(error)")
        case let error as IndexError:
            if case .overdue = error.code { return isOverdue }
            if case .damagedLinks = error.code { return ArchiveError(.damaged, error.description) }
            return ArchiveError(.io, error.description)
        case let error as FileError:
            let code: Code =
                switch error.code {
                case .notFound: .notFound
                case .notRegular: .badRequest
                case .tooLarge: .limit
                case .system: .io
                }
            return ArchiveError(code, error.description)
        default:
            return ArchiveError(.io, "\(error)")
        }
    }
}

/// Runs `body` and throws what it throws as an `ArchiveError`.
func withArchiveErrors<Result>(_ body: () throws -> Result) throws(ArchiveError) -> Result {
    do { return try body() } catch { throw ArchiveError.wrapping(error) }
}
