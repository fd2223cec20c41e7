import Foundation

/// Where the files are that come with the program: the build puts those of each module into a folder beside it.
///
/// SwiftPM's own `Bundle.module` ends the process where it finds nothing, and looks in the folder that the program was built in.
public enum ResourceBundle {
    /// The folders in which the resources of `module` may be, the likeliest first: beside the program, in `share/hilum` of an
    /// installation, and one level up.
    public static func places(of module: String) -> [String] {
        let bundle = "Hilum_\(module).resources"
        var program = Bundle.main.bundlePath
        if let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
            program = FilePath.folder(of: link)
        }
        return [program, Bundle.main.bundlePath, program + "/../share/hilum", program + "/.."].map { $0 + "/" + bundle }
    }

    /// Whether there is a file or a folder at `path`.
    public static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}
