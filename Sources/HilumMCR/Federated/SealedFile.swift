import Foundation
import HilumCore

/// A JSON object in a file that holds the SHA-256 of its other members, so that a damaged one is told from a whole one.
///
/// A seal says nothing of who wrote the file: whoever changes it on purpose can make it anew.
enum SealedFile {
    private static let key = "seal"
    /// The largest round or update that is read.
    static let limitInBytes = 1 << 20

    /// - Returns: the seal.
    @discardableResult
    static func write(_ json: JSON, to path: String, rights: mode_t = 0o644) throws -> String {
        let seal = seal(of: json)
        let text = json.adding(key, seal).sorted.indentedText + "\n"
        try FileIO.writeAtomically(path, Array(text.utf8), rights: rights)
        return seal
    }

    /// - Throws: `MCRError.badRound` for a file that is damaged or something else, or `FileError`.
    static func read(_ path: String, limitInBytes: Int = limitInBytes) throws -> (json: JSON, seal: String) {
        let bytes = try FileIO.read(path, limitInBytes: limitInBytes)
        guard let json = try? JSON(parsing: bytes[...]), case .object(let members) = json,
            let seal = json[key]?.string
        else {
            throw MCRError(.badRound(reason: "it is no sealed JSON object; it is damaged, or another file"), path: path)
        }
        guard Self.seal(of: .object(members.filter { $0.key != key })) == seal else {
            throw MCRError(
                .badRound(reason: "it is damaged or was changed: its seal is that of other contents"), path: path)
        }
        return (json, seal)
    }

    private static func seal(of json: JSON) -> String { SHA256.hex(Array(json.sorted.text.utf8)) }

    /// Writes a folder that gets its name when all of it is there.
    ///
    /// - Parameter body: gets the name under which the files are written first.
    /// - Throws: what `body` throws, or `FileError`, also where something stands at `path` already, an empty folder apart.
    static func writeFolder(_ path: String, rights: mode_t = 0o755, _ body: (String) throws -> Void) throws {
        let parent = FilePath.folder(of: path)
        let staging = FilePath.sibling(of: path, named: FilePath.name(of: path) + ".hilum-new")
        // What a run that was killed has left.
        try? FileManager.default.removeItem(atPath: staging)
        do {
            try FileIO.makeFolder(parent)
            try FileIO.makeFolder(staging, rights: rights)
            try body(staging)
            try FileIO.syncFolder(staging)
            guard rename(staging, path) == 0 else {
                throw FileError(.system(errno: errno), path: path, call: "rename")
            }
            try FileIO.syncFolder(parent)
        } catch {
            try? FileManager.default.removeItem(atPath: staging)
            throw error
        }
    }
}
