import Foundation
import HilumCore

/// Tells a file that has gone from one that is only out of sight: a share that is not mounted, a disk that fails.
///
/// A path is gone only when the system says that there is no such file, and its folder is still on the device where files were seen in
/// it. Of a folder in which this run has seen no file, an empty one may be the place of a mount, so nothing has gone from it.
/// Thread rule: a value type; one owner at a time.
struct InboxSight: Sendable {
    /// Absolute, without a slash at the end.
    let root: String
    /// By folder: the device on which files were seen in it.
    private var devices: [String: UInt64] = [:]

    init(root: String) { self.root = root }

    /// Files were seen in a folder.
    mutating func saw(_ folder: String, device: UInt64) { devices[folder] = device }

    /// Whether a file has gone for good.
    ///
    /// - Parameter path: absolute.
    func isGone(_ path: String) -> Bool {
        guard Self.isAbsent(path) else { return false }
        return !FilePath.isBeneath(path, root) || isInSight(FilePath.folder(of: path))
    }

    /// Whether the system says that there is no such file; any other failure says nothing.
    private static func isAbsent(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) != 0 && errno == ENOENT
    }

    /// Whether what is seen of a folder is what was seen before.
    private func isInSight(_ folder: String) -> Bool {
        // A folder that has gone is judged by the next one above.
        var place = folder
        while place != root && Self.isAbsent(place) { place = FilePath.folder(of: place) }
        var status = stat()
        guard lstat(place, &status) == 0 else { return false }
        var known = folder
        while devices[known] == nil && known != place { known = FilePath.folder(of: known) }
        if let device = devices[known] { return device == UInt64(status.st_dev) }
        return (try? FileManager.default.contentsOfDirectory(atPath: place))?.isEmpty == false
    }
}
