import Foundation
import HilumCore

/// Looks for texts in the raw bytes of files, in any case of ASCII letters.
enum RawBytes {
    /// Which of `needles` stand in some regular file below `folder`, each with the file.
    static func found(_ needles: [String], below folder: String) throws -> [String] {
        var found: [String] = []
        guard let walk = FileManager.default.enumerator(atPath: folder) else { return ["\(folder) cannot be read"] }
        while let name = walk.nextObject() as? String {
            for needle in needles where lowered(Array(name.utf8)).contains(lowered(Array(needle.utf8))) {
                found.append("\(needle) in the name \(name)")
            }
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            found += self.found(needles, in: try FileIO.read("\(folder)/\(name)")).map { "\($0) in \(name)" }
        }
        return found
    }

    /// Which of `needles` stand in `bytes`.
    static func found(_ needles: [String], in bytes: [UInt8]) -> [String] {
        let data = Data(lowered(bytes))
        return needles.filter { data.range(of: Data(lowered(Array($0.utf8)))) != nil }
    }

    private static func lowered(_ bytes: [UInt8]) -> [UInt8] { bytes.map { 65...90 ~= $0 ? $0 | 32 : $0 } }
}
