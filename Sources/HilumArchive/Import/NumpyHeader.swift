import Foundation

/// The head of a NumPy array file (numpy.lib.format): magic, version, length, and a Python dictionary of `descr`, `fortran_order` and
/// `shape`.
struct NumpyHeader: Equatable {
    /// Why a file is not read, in a part of a sentence.
    struct Malformed: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
    }

    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// The largest dictionary that is read; those of plain arrays take some 100 bytes.
    static let byteLimit = 1 << 20

    let element: VectorElement
    let rowCount: Int
    let columnCount: Int

    /// How many bytes the prefix has, and how many the dictionary that follows it.
    ///
    /// - Parameter bytes: the first 12 of the file, or fewer if it has fewer.
    static func lengths(_ bytes: [UInt8]) throws(Malformed) -> (prefix: Int, dictionary: Int) {
        guard bytes.starts(with: magic), bytes.count >= 12 else { throw Malformed("is no .npy file") }
        switch bytes[6] {
        case 1: return (10, Int(bytes[8]) | Int(bytes[9]) << 8)
        case 2, 3:
            let count = (0..<4).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
            guard count <= byteLimit else { throw Malformed("has a head of \(count) bytes, which no array needs") }
            return (12, count)
        default: throw Malformed("is a .npy file of version \(bytes[6]); save it again with numpy.save")
        }
    }

    /// - Parameter dictionary: what follows the prefix.
    init(dictionary: [UInt8]) throws(Malformed) {
        let text = String(decoding: dictionary, as: UTF8.self)
        guard let type = Self.value(of: "descr", in: text), let order = Self.value(of: "fortran_order", in: text),
            let shape = Self.value(of: "shape", in: text)
        else { throw Malformed("has a head that cannot be read") }
        element = try Self.element(type)
        guard order.hasPrefix("False") else {
            throw Malformed("is in Fortran order; save numpy.ascontiguousarray(V) instead")
        }
        guard let end = shape.firstIndex(of: ")"), shape.hasPrefix("(") else {
            throw Malformed("has a head that cannot be read")
        }
        let sides = shape[shape.index(after: shape.startIndex)..<end].split(separator: ",").map {
            Int($0.filter { $0 != " " })
        }
        guard sides.count == 2, let rows = sides[0], let columns = sides[1], rows >= 0, columns > 0 else {
            throw Malformed(
                "has the shape (\(Self.plain(shape[..<end].dropFirst()))); it needs two sides, rows and values")
        }
        (rowCount, columnCount) = (rows, columns)
    }

    /// What follows `'key':`.
    private static func value(of key: String, in text: String) -> Substring? {
        for quote in ["'", "\""] {
            guard let found = text.range(of: "\(quote)\(key)\(quote)") else { continue }
            let rest = text[found.upperBound...].drop { $0 == " " }
            guard rest.first == ":" else { continue }
            return rest.dropFirst().drop { $0 == " " }
        }
        return nil
    }

    private static func element(_ text: Substring) throws(Malformed) -> VectorElement {
        guard let quote = text.first, quote == "'" || quote == "\"" else {
            throw Malformed("holds records, not numbers; save the vectors alone")
        }
        let name = text.dropFirst().prefix { $0 != quote }
        let isBigEndian = name.first == ">"
        switch name.drop(while: { "<>=|".contains($0) }) {
        case "f2": return VectorElement(width: .half, isBigEndian: isBigEndian)
        case "f4": return VectorElement(width: .single, isBigEndian: isBigEndian)
        case "f8": return VectorElement(width: .double, isBigEndian: isBigEndian)
        default:
            throw Malformed("holds numbers of the type '\(plain(name))'; save them as float32 or float16")
        }
    }

    /// A short piece of the head that may be shown.
    private static func plain(_ text: some StringProtocol) -> String {
        String(text.prefix(40).filter { $0.isASCII && !$0.isNewline && $0 != "\0" })
    }
}
