import Foundation

/// A JSON value in memory that keeps the order of its keys and the spelling of its numbers.
public indirect enum JSON: Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number as it is spelled; `integer` and `number` make one.
    case numeral(String)
    /// A string.
    case string(String)
    /// A list.
    case array([JSON])
    /// An object.
    case object([(key: String, value: JSON)])

    // MARK: Making

    /// A whole number.
    public static func integer(_ value: Int) -> JSON { .numeral(String(value)) }

    /// The shortest number that is read as `value` again, such as `0.1`, `3` or `1e-06`; null if it is not finite, which JSON
    /// has no number for.
    public static func number<Value: BinaryFloatingPoint & CustomStringConvertible>(_ value: Value) -> JSON {
        guard value.isFinite else { return .null }
        let text = value.description
        return .numeral(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
    }

    /// A number with at most so many decimals; null if it is not finite.
    public static func number(_ value: Double, decimals: Int) -> JSON {
        guard value.isFinite else { return .null }
        var text = String(format: "%.*f", decimals, value)
        if text.contains(".") {
            while text.hasSuffix("0") { text.removeLast() }
            if text.hasSuffix(".") { text.removeLast() }
        }
        return .numeral(text == "-0" ? "0" : text)
    }

    /// A list of strings.
    public static func strings(_ values: [String]) -> JSON { .array(values.map { .string($0) }) }

    /// A string, or null.
    public static func optional(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }

    // MARK: Reading

    /// Reads one value, strictly (see `JSONReader`).
    public init(parsing bytes: ArraySlice<UInt8>) throws(JSONReader.Malformed) {
        var reader = JSONReader(bytes)
        self = try JSON(&reader)
        try reader.finish()
    }

    /// Reads one value, strictly (see `JSONReader`).
    public init(parsing text: String) throws(JSONReader.Malformed) { try self.init(parsing: Array(text.utf8)[...]) }

    /// Reads the next value of `reader`.
    public init(_ reader: inout JSONReader) throws(JSONReader.Malformed) {
        switch try reader.kind() {
        case .object:
            var members: [(key: String, value: JSON)] = []
            try reader.beginObject()
            while let key = try reader.nextKey() { members.append((key, try JSON(&reader))) }
            self = .object(members)
        case .array:
            var values: [JSON] = []
            try reader.beginArray()
            while try reader.nextElement() { values.append(try JSON(&reader)) }
            self = .array(values)
        case .string: self = .string(try reader.string())
        case .number: self = .numeral(try reader.number())
        case .boolean: self = .bool(try reader.boolean())
        case .null:
            try reader.null()
            self = .null
        }
    }

    /// The member of an object; nil for another value and for a key that is not there.
    public subscript(_ key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The string; nil for another value.
    public var string: String? { if case .string(let text) = self { text } else { nil } }

    /// The whole number; nil for another value.
    public var integer: Int? { if case .numeral(let text) = self { Int(text) } else { nil } }

    /// The number; nil for another value, and for a number that is too large.
    public var double: Double? { try? Double(json: self) }

    /// The elements of a list; nil for another value.
    public var array: [JSON]? { if case .array(let values) = self { values } else { nil } }

    // MARK: Writing

    /// The value as one line of UTF-8 text without a line feed.
    public var text: String { text(layout: .line) }

    /// The value as text for people, a member or element a line, without a line feed at the end.
    public var indentedText: String { text(layout: .indented) }

    private func text(layout: JSONWriter.Layout) -> String {
        var writer = JSONWriter(layout: layout)
        write(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The value with the members of every object in the order of their keys.
    public var sorted: JSON {
        switch self {
        case .array(let values): .array(values.map(\.sorted))
        case .object(let members):
            .object(members.sorted { $0.key < $1.key }.map { ($0.key, $0.value.sorted) })
        default: self
        }
    }

    /// The value with the keys of every object in snake case: `imageNodes` becomes `image_nodes`. For keys that are names
    /// of properties; keys that are data must be in lower case already.
    public var snakeCased: JSON {
        switch self {
        case .array(let values): .array(values.map(\.snakeCased))
        case .object(let members): .object(members.map { (Self.snakeCase($0.key), $0.value.snakeCased) })
        default: self
        }
    }

    private static func snakeCase(_ name: String) -> String {
        String(name.flatMap { $0.isUppercase ? "_\($0.lowercased())" : "\($0)" })
    }

    /// Writes the value.
    public func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .bool(let value): writer.boolean(value)
        case .numeral(let text): writer.number(spelled: text)
        case .string(let value): writer.string(value)
        case .array(let values):
            writer.beginArray()
            for value in values { value.write(to: &writer) }
            writer.endArray()
        case .object(let members):
            writer.beginObject()
            for member in members {
                writer.key(member.key)
                member.value.write(to: &writer)
            }
            writer.endObject()
        }
    }
}
