import HilumCore

/// A folder of phantoms could not be written.
public struct PhantomError: Error, CustomStringConvertible, Sendable {
    public enum Code: Sendable, Equatable {
        /// The folder holds something that is no run of `hilum phantom`.
        case folderNotEmpty
        /// The folder holds a run with other parameters, named here.
        case otherParameters(String)
        /// A count below 1 or a side outside 64 … 4,096.
        case badParameter(String)
        case file(String)
        case encoding(String)
    }

    public let code: Code
    public let path: String

    public init(_ code: Code, path: String) {
        self.code = code
        self.path = path
    }

    public var description: String {
        switch code {
        case .folderNotEmpty:
            "\(path): the folder is not empty and holds no phantoms; name an empty or a new folder"
        case .otherParameters(let found):
            "\(path): holds phantoms drawn with \(found); repeat that command to complete them or name another folder"
        case .badParameter(let reason): reason
        case .file(let reason): reason
        case .encoding(let reason): "\(path): could not be encoded as PNG: \(reason)"
        }
    }
}
