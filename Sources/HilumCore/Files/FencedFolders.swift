import Foundation
import Synchronization

/// Folders that others may write to: their files are opened without following a symbolic link, and never outside of them.
///
/// Whoever may write to an inbox could otherwise put a link in place of a folder between the look at it and the reading of its files, and
/// have the daemon read, for them, what they may not read themselves. `FileIO` and `FileHead` open through here; a path that is below no
/// fenced folder is opened as usual.
///
/// Thread rule: any thread.
public enum FencedFolders {
    /// Opens a file for reading, by its path relative to an open folder, without leaving it; -1 with `errno` set on failure.
    public typealias Opener = @Sendable (_ folder: Int32, _ path: String) -> Int32

    private struct Fence {
        let path: String
        let open: Opener
    }

    private static let fences = Mutex<[Fence]>([])

    /// Fences a folder until `remove` is called with the same path, once for each call.
    ///
    /// - Parameter path: absolute and resolved, without a slash at the end.
    public static func add(_ path: String, open: @escaping Opener) {
        fences.withLock { $0.append(Fence(path: path, open: open)) }
    }

    /// Takes a fence away.
    public static func remove(_ path: String) {
        fences.withLock { fences in
            if let place = fences.firstIndex(where: { $0.path == path }) { fences.remove(at: place) }
        }
    }

    /// A descriptor of the file at `path`, for reading; -1 with `errno` set on failure.
    public static func open(_ path: String) -> Int32 {
        let fence = fences.withLock { fences in
            // The innermost one.
            fences.filter { FilePath.isBeneath(path, $0.path) }.max { $0.path.utf8.count < $1.path.utf8.count }
        }
        guard let fence, let relative = FilePath.relative(path, to: fence.path) else {
            return Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        }
        let folder = Foundation.open(fence.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return -1 }
        let descriptor = fence.open(folder, relative)
        let number = errno
        close(folder)
        errno = number
        return descriptor
    }
}
