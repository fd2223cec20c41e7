import HilumCore
import HilumServer

/// A question of the page: typed parts, from which the line of the protocol is built here.
///
/// The browser never writes a line itself. Texts become JSON strings, numbers are read and written anew, words come from fixed lists, and
/// a key of a filter may not be an option of SEARCH, such as `image`, which names a file.
struct Question {
    /// Of the JSON that the page sends.
    static let byteCount = 32 << 10
    private static let textByteCount = 4 << 10
    private static let idByteCount = 255
    private static let mostExamples = 8
    private static let mostFilters = 16
    private static let hitCounts = 1...100
    private static let weights = 0.0...1000.0
    private static let weightNames = ["text", "id", "image", "unlike", "vector", "words"]
    /// What every answer on the page shows.
    private static let extras = "with=report,highlights,images,said deadline_ms=20000"

    private let json: JSON
    /// The key of an uploaded image that is part of it; nil for none.
    let upload: String?

    /// Reads what the page sent.
    ///
    /// - Throws: `.badRequest`.
    init(_ bytes: [UInt8]) throws(ViewError) {
        guard bytes.count <= Self.byteCount, let json = try? JSON(parsing: bytes[...]), case .object = json else {
            throw ViewError(.badRequest, "the question is no JSON object of at most \(Self.byteCount) bytes")
        }
        self.json = json
        upload = try json["upload"].map { (value) throws(ViewError) in try Self.key(value) }
    }

    // MARK: Lines of the protocol

    /// The line of SEARCH without a line feed.
    func search() throws(ViewError) -> String {
        var line = "SEARCH"
        if let text = try text("text") { line += " text=\(text)" }
        for id in try ids("like") { line += " id=\(id)" }
        for id in try ids("unlike") { line += " unlike=\(id)" }
        line += try weightWords()
        line += try choice("mode", ["hybrid", "vector", "words"])
        line += try choice("target", ["case", "image", "report"])
        line += " k=\(try integer("k", in: Self.hitCounts) ?? 12)"
        if try flag("group") { line += " group=patient" }
        if try flag("others") { line += " self=0" }
        return line + (try filters()) + " " + Self.extras
    }

    /// Lines of FACET, one for each key that is asked for; the filters on the key itself do not count.
    func facets() throws(ViewError) -> [String] {
        guard let keys = json["keys"]?.array, keys.count <= Self.mostFilters else {
            throw ViewError(.badRequest, "keys is a list of at most \(Self.mostFilters) keys")
        }
        var lines: [String] = []
        for value in keys {
            let key = try Self.filterKey(value)
            lines.append("FACET by=\(key) k=12\(try filters(except: key)) deadline_ms=20000")
        }
        return lines
    }

    /// The line of GET.
    func get() throws(ViewError) -> String { "GET id=\(try id()) with=meta,report,images,said" }

    /// The line of EXPLAIN for a stored case, or for the uploaded image where there is one.
    func heat() throws(ViewError) -> String {
        guard let text = try text("text") else { throw ViewError(.badRequest, "text is missing") }
        if upload != nil { return "EXPLAIN text=\(text) deadline_ms=120000" }
        let place = try integer("place", in: 1...64) ?? 1
        return "EXPLAIN id=\(try id()) place=\(place) text=\(text) deadline_ms=120000"
    }

    /// The line of SEARCH for the other studies of the patient of a case.
    func studies() throws(ViewError) -> String {
        guard let patient = json["patient"]?.string, Self.isPlain(patient) else {
            throw ViewError(.badRequest, "the number of this patient cannot be asked for")
        }
        return "SEARCH id=\(try id()) patient=\(Argument.quoted(patient)) self=0 k=50 \(Self.extras)"
    }

    /// The line of PICTURE, from the arguments of an address.
    static func picture(_ arguments: [String: String]) throws(ViewError) -> String {
        var line = "PICTURE"
        if let id = arguments["id"] {
            line += " id=\(try quoted(id: id)) place=\(try number(arguments["place"], in: 1...64) ?? 1)"
        } else if arguments["upload"] == nil {
            throw ViewError(.badRequest, "id or upload is missing")
        }
        return line + " side=\(try number(arguments["side"], in: 16...1024) ?? 512) deadline_ms=20000"
    }

    // MARK: Parts

    private func id() throws(ViewError) -> String {
        guard let id = json["id"]?.string else { throw ViewError(.badRequest, "id is missing") }
        return try Self.quoted(id: id)
    }

    private static func quoted(id: String) throws(ViewError) -> String {
        guard !id.isEmpty, id.utf8.count <= idByteCount else {
            throw ViewError(.badRequest, "an id has 1 to \(idByteCount) bytes")
        }
        return Argument.quoted(id)
    }

    private func ids(_ name: String) throws(ViewError) -> [String] {
        guard let value = json[name] else { return [] }
        guard let list = value.array, list.count <= Self.mostExamples else {
            throw ViewError(.badRequest, "\(name) is a list of at most \(Self.mostExamples) ids")
        }
        var ids: [String] = []
        for value in list {
            guard let id = value.string else { throw ViewError(.badRequest, "\(name) holds something that is no id") }
            ids.append(try Self.quoted(id: id))
        }
        return ids
    }

    private func text(_ name: String) throws(ViewError) -> String? {
        guard let value = json[name] else { return nil }
        guard let text = value.string, text.utf8.count <= Self.textByteCount else {
            throw ViewError(.badRequest, "\(name) is a text of at most \(Self.textByteCount) bytes")
        }
        return text.isEmpty ? nil : Argument.quoted(text)
    }

    private func weightWords() throws(ViewError) -> String {
        guard let given = json["weights"] else { return "" }
        guard case .object(let members) = given else { throw ViewError(.badRequest, "weights is an object") }
        var words = ""
        for (name, value) in members {
            guard Self.weightNames.contains(name), let weight = value.double, Self.weights.contains(weight) else {
                throw ViewError(.badRequest, "weights are numbers from 0 to 1000 of \(Self.weightNames)")
            }
            words += " w.\(name)=\(Float(weight))"
        }
        return words
    }

    private func choice(_ name: String, _ words: [String]) throws(ViewError) -> String {
        guard let value = json[name] else { return "" }
        guard let word = value.string, words.contains(word) else {
            throw ViewError(.badRequest, "\(name) is one of \(words.joined(separator: ", "))")
        }
        return " \(name)=\(word)"
    }

    private func flag(_ name: String) throws(ViewError) -> Bool {
        switch json[name] {
        case nil: return false
        case .bool(let value)?: return value
        default: throw ViewError(.badRequest, "\(name) is true or false")
        }
    }

    private func integer(_ name: String, in range: ClosedRange<Int>) throws(ViewError) -> Int? {
        guard let value = json[name] else { return nil }
        guard let number = value.integer, range.contains(number) else {
            throw ViewError(.badRequest, "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func number(_ text: String?, in range: ClosedRange<Int>) throws(ViewError) -> Int? {
        guard let text else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw ViewError(.badRequest, "a number from \(range.lowerBound) to \(range.upperBound) is needed")
        }
        return number
    }

    /// ` key="a,b"` for each filter; a value is one of those that a facet gave, or a range of dates.
    private func filters(except skipped: String? = nil) throws(ViewError) -> String {
        guard let value = json["filters"] else { return "" }
        guard case .object(let members) = value, members.count <= Self.mostFilters else {
            throw ViewError(.badRequest, "filters is an object of at most \(Self.mostFilters) keys")
        }
        var words = ""
        for (name, value) in members {
            let key = try Self.filterKey(.string(name))
            let values = (value.array ?? []).compactMap(\.string)
            guard !values.isEmpty, values.count == value.array?.count, values.count <= Self.mostFilters,
                key == "date" ? values.count == 1 && !values[0].contains(",") : values.allSatisfy(Self.isPlain)
            else {
                throw ViewError(.badRequest, "the values of a filter are texts without a comma or two points")
            }
            if key != skipped { words += " \(key)=\(Argument.quoted(values.joined(separator: ",")))" }
        }
        return words
    }

    /// Whether a filter takes a value as it stands: a comma and two points would mean something else in it.
    private static func isPlain(_ value: String) -> Bool {
        !value.isEmpty && value.utf8.count <= textByteCount && !value.contains(",") && !value.contains("..")
    }

    private static func filterKey(_ value: JSON) throws(ViewError) -> String {
        guard let key = value.string, SearchOptions.isFilterKey(key)
        else { throw ViewError(.badRequest, "this key is no filter") }
        return key
    }

    private static func key(_ value: JSON) throws(ViewError) -> String {
        guard let key = value.string, !key.isEmpty, key.utf8.count <= 64 else {
            throw ViewError(.badRequest, "upload is the key of an image")
        }
        return key
    }
}
