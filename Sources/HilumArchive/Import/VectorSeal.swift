import HilumCore

/// What a file of ids says of itself and of the file of vectors beside it, so that a part that is cut, damaged or mixed up is noticed.
///
///     {"row":0,"id":"a","kind":"image","seal":{"part":1,"of":4,"rows":17,"dimension":512,"model":"…","vectors":"…","lines":"…"}}
///     {"row":1,"id":"b","kind":"report"}
///
/// It is the last member of the first line; a file without rows has one line that holds nothing else. `vectors` is the SHA-256 of the
/// file of vectors, `lines` that of the lines as they are without the seal. That of `reports.jsonl` in an exported folder also says how many
/// cases stand in `without-vectors.jsonl`.
public struct VectorSeal: Sendable, Equatable {
    /// Which part of a set this is, from 1.
    public var part = 1
    /// How many parts the set has.
    public var partCount = 1
    /// Rows of this part.
    public var rowCount: Int
    /// Values of a vector.
    public var dimension: Int
    /// The id of the model that made the vectors.
    public var model: String
    /// The SHA-256 of what they were made from; nil where nobody noted it.
    public var inputs: String?
    /// How many cases that no vector stands for have a file of their own in the same folder; nil where there is no such file.
    public var bareCount: Int?
    /// The SHA-256 of the file of vectors.
    public var vectors: String
    /// The SHA-256 of the lines without the seal; set by `sealed`.
    public private(set) var lines = ""

    /// A seal on its way to `sealed`.
    public init(
        part: Int = 1, partCount: Int = 1, rowCount: Int, dimension: Int, model: String, inputs: String? = nil,
        vectors: String
    ) {
        (self.part, self.partCount) = (part, partCount)
        (self.rowCount, self.dimension) = (rowCount, dimension)
        self.model = model
        self.inputs = inputs
        self.vectors = vectors
    }

    private static let bareKey = "without_vectors"
    private static let opening = Array(",\"seal\":".utf8)

    private var json: JSON {
        var members: [(key: String, value: JSON)] = [
            ("part", .integer(part)), ("of", .integer(partCount)), ("rows", .integer(rowCount)),
            ("dimension", .integer(dimension)), ("model", .string(model)),
        ]
        if let inputs { members.append(("inputs", .string(inputs))) }
        if let bareCount { members.append((Self.bareKey, .integer(bareCount))) }
        return .object(members + [("vectors", .string(vectors)), ("lines", .string(lines))])
    }

    private init?(_ json: JSON) {
        guard let part = json["part"]?.integer, let count = json["of"]?.integer, let rows = json["rows"]?.integer,
            let dimension = json["dimension"]?.integer, let model = json["model"]?.string,
            let vectors = json["vectors"]?.string, let lines = json["lines"]?.string, count >= 1,
            (1...count).contains(part)
        else { return nil }
        self.init(
            part: part, partCount: count, rowCount: rows, dimension: dimension, model: model,
            inputs: json["inputs"]?.string, vectors: vectors)
        self.lines = lines
        bareCount = json[Self.bareKey]?.integer
    }

    /// The bytes of the file of ids with this seal.
    ///
    /// - Parameter lines: JSON objects, each with a line feed at its end.
    public func sealed(_ lines: [UInt8]) -> [UInt8] {
        var seal = self
        seal.lines = SHA256.hex(lines)
        let text = Array(seal.json.text.utf8)
        guard let end = lines.firstIndex(of: UInt8(ascii: "\n")), end > 0 else {
            return Array("{\"seal\":".utf8) + text + Array("}\n".utf8)
        }
        return Array(lines[..<(end - 1)]) + Self.opening + text + Array("}".utf8) + Array(lines[end...])
    }

    /// The seal of a file of ids, and its lines without it; nil where it has none.
    ///
    /// - Throws: `.badRequest` for a seal that is malformed or does not fit the lines.
    static func open(_ bytes: [UInt8], path: String) throws(ArchiveError) -> (seal: VectorSeal, lines: [UInt8])? {
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        guard let first = try? JSON(parsing: bytes[..<end]), let json = first["seal"] else { return nil }
        guard let seal = VectorSeal(json), case .object(let members) = first else {
            throw ArchiveError(.badRequest, "\(path): its seal cannot be read; make the file again")
        }
        var lines: [UInt8] = []
        if members.count > 1 {
            guard let place = lastPlace(of: opening, in: bytes[..<end]) else {
                throw ArchiveError(.badRequest, "\(path): its seal is not where it should be; make the file again")
            }
            lines = Array(bytes[..<place]) + Array("}".utf8) + Array(bytes[end...])
        }
        guard SHA256.hex(lines) == seal.lines else {
            throw ArchiveError(.badRequest, "\(path): the file is damaged or was changed; make it again")
        }
        return (seal, lines)
    }

    private static func lastPlace(of word: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= word.count else { return nil }
        return (bytes.startIndex...(bytes.endIndex - word.count)).last { bytes[$0...].starts(with: word) }
    }

    /// Which part it is of how many, as `--shard` takes it.
    public var shard: String { "\(part)/\(partCount)" }

    /// The seal of a file of ids, if its lines are those that were sealed; nil otherwise.
    public static func read(_ lines: String) -> VectorSeal? {
        (try? FileIO.read(lines)).flatMap { try? open($0, path: lines)?.seal }
    }

    /// The seal of a pair of files that are whole and belong together; nil where there is none, or something is wrong with it.
    ///
    /// - Parameters:
    ///   - vectors: the file of vectors.
    ///   - lines: the file of ids.
    public static func ofWhole(vectors: String, lines: String) -> VectorSeal? {
        guard let seal = read(lines), let digest = try? FileIO.digest(vectors), digest.sha256 == seal.vectors else {
            return nil
        }
        return seal
    }

    /// Checks that a file of vectors is the one that was sealed.
    ///
    /// - Throws: `.badRequest` when it is not; `.io`.
    func check(_ file: VectorFile) throws {
        guard file.rowCount == rowCount, file.dimension == dimension, try FileIO.digest(file.path).sha256 == vectors
        else {
            throw ArchiveError(
                .badRequest,
                "\(file.path): the file is damaged, or not the one that its ids were written with; make it again")
        }
    }
}
