/// A type that is made from a JSON value of one kind.
///
///     init(json: JSON) throws(JSON.Mismatch) {
///         count = try json.member("count")
///         model = try json.optionalMember("model") ?? "none"
///     }
///
/// Members that the type does not ask for are ignored, so that an older program reads what a newer one wrote.
public protocol JSONReadable {
    /// The value that `json` holds.
    ///
    /// - Throws: `JSON.Mismatch` saying which member is missing or of another kind.
    init(json: JSON) throws(JSON.Mismatch)
}

extension JSONReadable {
    /// Reads one value from UTF-8 text, strictly (see `JSONReader`).
    ///
    /// - Throws: `JSONReader.Malformed` for text that is not JSON, `JSON.Mismatch` for JSON that is not this value.
    public init(parsing text: some Sequence<UInt8>) throws {
        try self.init(json: JSON(parsing: ArraySlice(text)))
    }
}

extension JSON {
    /// The JSON is well formed, but it is not what was asked for.
    public struct Mismatch: Error, Equatable, CustomStringConvertible, Sendable {
        /// The keys and places that lead to the value, such as `records[2].step`; empty for the whole.
        public let path: String
        /// What is wrong, such as `is missing` or `is not a whole number`; holds none of the text.
        public let reason: String

        /// A fault of the value at `path`.
        public init(_ reason: String, path: String = "") {
            self.path = path
            self.reason = reason
        }

        /// Such as "image.width is missing".
        public var description: String { "\(path.isEmpty ? "the value" : path) \(reason)" }

        /// The same fault, seen from the value that holds this one at `step`.
        fileprivate func under(_ step: String) -> Mismatch {
            Mismatch(reason, path: path.isEmpty || path.hasPrefix("[") ? step + path : "\(step).\(path)")
        }
    }

    /// The member `key` of an object.
    ///
    /// - Throws: `Mismatch` that begins with `key`, for a member that is missing, null or of another kind.
    public func member<Value: JSONReadable>(_ key: String) throws(Mismatch) -> Value {
        guard let value: Value = try optionalMember(key) else { throw Mismatch("is missing", path: key) }
        return value
    }

    /// The member `key` of an object; nil where it is missing or null.
    ///
    /// - Throws: `Mismatch` that begins with `key`, for a member of another kind.
    public func optionalMember<Value: JSONReadable>(_ key: String) throws(Mismatch) -> Value? {
        guard case .object = self else { throw Mismatch("is not an object") }
        guard let json = self[key] else { return nil }
        if case .null = json { return nil }
        do throws(Mismatch) { return try Value(json: json) } catch { throw error.under(key) }
    }
}

extension JSONReadable where Self: FixedWidthInteger {
    /// A whole number that the type can hold, spelled without fraction and exponent.
    public init(json: JSON) throws(JSON.Mismatch) {
        guard case .numeral(let text) = json, let value = Self(text) else {
            throw JSON.Mismatch(Self.isSigned ? "is not a whole number" : "is not a whole number from 0 on")
        }
        self = value
    }
}

extension JSONReadable where Self: BinaryFloatingPoint & LosslessStringConvertible {
    /// A number that the type can hold; the nearest one to its spelling.
    public init(json: JSON) throws(JSON.Mismatch) {
        guard case .numeral(let text) = json, let value = Self(text), value.isFinite else {
            throw JSON.Mismatch("is not a number")
        }
        self = value
    }
}

extension JSONReadable where Self: RawRepresentable, RawValue == String {
    /// One of the cases, by its raw value.
    public init(json: JSON) throws(JSON.Mismatch) {
        guard let text = json.string, let value = Self(rawValue: text) else {
            throw JSON.Mismatch("is none of the known values")
        }
        self = value
    }
}

extension Int: JSONReadable {}
extension UInt64: JSONReadable {}
extension Float: JSONReadable {}
extension Double: JSONReadable {}

extension Bool: JSONReadable {
    /// `true` or `false`.
    public init(json: JSON) throws(JSON.Mismatch) {
        guard case .bool(let value) = json else { throw JSON.Mismatch("is neither true nor false") }
        self = value
    }
}

extension String: JSONReadable {
    /// A string.
    public init(json: JSON) throws(JSON.Mismatch) {
        guard let value = json.string else { throw JSON.Mismatch("is not a string") }
        self = value
    }
}

extension Array: JSONReadable where Element: JSONReadable {
    /// A list.
    public init(json: JSON) throws(JSON.Mismatch) {
        guard let elements = json.array else { throw JSON.Mismatch("is not a list") }
        self.init()
        reserveCapacity(elements.count)
        for (place, element) in elements.enumerated() {
            do throws(JSON.Mismatch) { append(try Element(json: element)) } catch { throw error.under("[\(place)]") }
        }
    }
}

extension Dictionary: JSONReadable where Key == String, Value: JSONReadable {
    /// An object whose keys are data.
    public init(json: JSON) throws(JSON.Mismatch) {
        guard case .object(let members) = json else { throw JSON.Mismatch("is not an object") }
        self.init(minimumCapacity: members.count)
        for (key, value) in members {
            do throws(JSON.Mismatch) { self[key] = try Value(json: value) } catch { throw error.under(key) }
        }
    }
}
