import HilumCore

/// A folder of phantoms could not be written, or the general wording not be read.
public struct PhantomError: Error, CustomStringConvertible, Sendable {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// The folder contains something other than a run of `hilum phantom`.
        case folderNotEmpty
        /// The folder contains a run with other parameters, which are given.
        case otherParameters(String)
        /// A count below 1 or a side outside 64 … 4,096.
        case badParameter(String)
        /// A file could not be read or written.
        case file(String)
        /// An image or a manifest row could not be encoded.
        case encoding(String)
        /// The general wording cannot be used: why.
        case badWording(String)
    }

    /// What went wrong.
    public let code: Code
    /// The file or folder.
    public let path: String

    init(_ code: Code, path: String) {
        self.code = code
        self.path = path
    }

    /// A sentence for the user.
    public var description: String {
        switch code {
        case .folderNotEmpty:
            "\(path): the folder is not empty and holds no phantoms; name an empty or a new folder"
        case .otherParameters(let found):
            "\(path): holds phantoms drawn with \(found); repeat that command to complete them or name another folder"
        case .badParameter(let reason): reason
        case .file(let reason): reason
        case .encoding(let reason): "\(path): could not be encoded as PNG: \(reason)"
        case .badWording(let reason): "\(path): the general wording of reports cannot be used: \(reason)"
        }
    }
}
