import HilumCore

/// A space of vectors that another program makes. Hilum stores and searches them and has no model that could encode a text or an image
/// in it.
///
/// In an archive it stands where a model would: `space.json` in the folder of the model, and `space:NAME` in place of the model's id.
public struct ImportedSpace: Sendable, Equatable {
    /// The file that says so, in place of a model's files.
    public static let file = "space.json"

    /// Its name, which the user chooses.
    public let name: String
    /// Floats a vector.
    public let dimension: Int

    /// What begins the id that stands in place of a model's.
    public static let prefix = "space:"
    private static let nameByteCount = 64

    /// A space.
    ///
    /// - Throws: `.badRequest` for a name of other characters than letters, digits, `.`, `_` and `-`, or a dimension that no archive takes.
    public init(name: String, dimension: Int) throws(ArchiveError) {
        let isPlain = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(byte)
        }
        guard isPlain, (1...Self.nameByteCount).contains(name.utf8.count) else {
            throw ArchiveError(
                .badRequest,
                "a space is named by 1 to \(Self.nameByteCount) letters, digits, dots, dashes and low lines, such as biovil-t"
            )
        }
        guard (1...ArchiveLimits.dimension).contains(dimension) else {
            throw ArchiveError(.badRequest, "a vector has 1 to \(ArchiveLimits.dimension) values, not \(dimension)")
        }
        self.name = name
        self.dimension = dimension
    }

    /// What stands in place of the id of a model.
    public var modelID: String { Self.prefix + name }

    /// The name of the space whose vectors a model's id stands for; nil for the id of a model.
    public static func name(ofModel id: String?) -> String? {
        guard let id, id.hasPrefix(prefix) else { return nil }
        return String(id.dropFirst(prefix.count))
    }

    /// What `file` holds.
    var fileBytes: [UInt8] {
        Array(JSON.object([("space", .string(name)), ("dimension", .integer(dimension))]).text.utf8) + [10]
    }

    /// The space that a folder stands for; nil for the folder of a model, or of anything else.
    public static func read(folder: String) -> ImportedSpace? {
        guard let bytes = try? FileIO.read("\(folder)/\(file)", limitInBytes: 4096),
            let json = try? JSON(parsing: bytes[...]), let name = json["space"]?.string,
            let dimension = json["dimension"]?.integer
        else { return nil }
        return try? ImportedSpace(name: name, dimension: dimension)
    }
}
