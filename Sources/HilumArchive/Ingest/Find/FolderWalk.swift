import Foundation
import HilumCore

/// A file below a source.
package struct FoundFile: Sendable, Hashable {
    /// Below the source, without a slash in front.
    package let path: String
    /// What it is taken for.
    package let role: FileRole
    /// Whether another file differs from it only in how Unicode writes its name.
    package let hasTwin: Bool

    package static func == (left: FoundFile, right: FoundFile) -> Bool { left.path == right.path }
    package func hash(into hasher: inout Hasher) { hasher.combine(path) }

    /// A file, taken for what its name says, or for what its content is known to be.
    package init(path: String, hasTwin: Bool = false, role: FileRole? = nil) {
        self.path = path
        self.hasTwin = hasTwin
        self.role = role ?? FileRole(name: FilePath.name(of: path))
    }

    /// The folder that it lies in, below the source; empty for the source itself.
    var folder: String { path.utf8.contains(UInt8(ascii: "/")) ? FilePath.folder(of: path) : "" }
}

/// The regular files below a folder, and what is passed over: links, hidden files, folders that cannot be read.
struct FolderWalk {
    /// Folders within each other that are looked into.
    private static let depthLimit = 64
    private let isDeep: Bool

    let root: String
    /// In the order of their names.
    private(set) var files: [FoundFile] = []
    private(set) var passedOver = PassedOver()

    /// - Parameter isDeep: whether the folders within are looked into.
    init(_ root: String, isDeep: Bool = true) {
        self.root = root
        self.isDeep = isDeep
        walk("", depth: 0)
    }

    private mutating func walk(_ below: String, depth: Int) {
        let folder = below.isEmpty ? root : "\(root)/\(below)"
        guard depth < Self.depthLimit else { return passedOver.addUnreadable(folder) }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            return passedOver.addUnreadable(folder)
        }
        let twins = NameTwins(names)
        for name in twins.others where FileRole.reasonToSkip(name) == nil {
            passedOver.addTwin(below.isEmpty ? "\(root)/\(name)" : "\(root)/\(below)/\(name)")
        }
        for name in twins.names.sorted() {
            if let reason = FileRole.reasonToSkip(name) {
                passedOver.add(reason)
                continue
            }
            let path = below.isEmpty ? name : "\(below)/\(name)"
            var status = stat()
            guard lstat("\(root)/\(path)", &status) == 0 else {
                // A name that is not UTF-8 cannot be opened by what became of it.
                passedOver.addLost("unreadable; is its name UTF-8?", "\(root)/\(path)")
                continue
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: if isDeep { walk(path, depth: depth + 1) }
            case S_IFREG:
                let file = FoundFile(path: path, hasTwin: twins.hasTwin(name))
                if case .passedOver(let reason) = file.role { passedOver.add(reason) } else { files.append(file) }
            // A link may lead anywhere, also in a circle or to another patient.
            case S_IFLNK: passedOver.add("link")
            default: passedOver.add("no file")
            }
        }
    }
}
