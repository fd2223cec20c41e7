/// A type that has one JSON form.
///
///     var json: JSON { JSON(members: ["count": count, "model": model]) }
public protocol JSONWritable {
    /// The value as JSON.
    var json: JSON { get }
}

extension JSON: JSONWritable {
    /// The value itself.
    public var json: JSON { self }

    /// An object with these members, in this order; those that are nil are left out. `JSON.null` writes null.
    public init(members: KeyValuePairs<String, (any JSONWritable)?>) {
        self = .object(members.compactMap { member in member.value.map { (member.key, $0.json) } })
    }

    /// The object with one more member at its end.
    ///
    /// - Precondition: it is an object without the member `key`.
    public func adding(_ key: String, _ value: some JSONWritable) -> JSON {
        guard case .object(let members) = self, self[key] == nil else {
            preconditionFailure("only an object without the member \(key) can get it")
        }
        return .object(members + [(key, value.json)])
    }
}

extension JSONWritable where Self: RawRepresentable, RawValue == String {
    /// The raw value.
    public var json: JSON { .string(rawValue) }
}

extension Int: JSONWritable {
    /// A whole number.
    public var json: JSON { .integer(self) }
}

extension UInt64: JSONWritable {
    /// A whole number, which may be too large for readers that hold every number as a `Double`.
    public var json: JSON { .numeral(String(self)) }
}

extension Float: JSONWritable {
    /// The shortest number that is read as this one again; null if it is not finite.
    public var json: JSON { .number(self) }
}

extension Double: JSONWritable {
    /// The shortest number that is read as this one again; null if it is not finite.
    public var json: JSON { .number(self) }
}

extension Bool: JSONWritable {
    /// `true` or `false`.
    public var json: JSON { .bool(self) }
}

extension String: JSONWritable {
    /// A string.
    public var json: JSON { .string(self) }
}

extension Array: JSONWritable where Element: JSONWritable {
    /// A list.
    public var json: JSON { .array(map(\.json)) }
}

extension Dictionary: JSONWritable where Key == String, Value: JSONWritable {
    /// An object whose keys are data, in their order.
    public var json: JSON { .object(sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) }) }
}
