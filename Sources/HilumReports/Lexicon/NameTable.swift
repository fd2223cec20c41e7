/// The stable names of findings, devices and places, read from `Resources/names.txt`, which no language has a part in.
struct NameTable: Sendable {
    struct Flags: OptionSet {
        let rawValue: UInt8
        /// Words such as `moderate` mean its size, not its severity.
        static let amount = Flags(rawValue: 1)
        /// It has no side.
        static let unsided = Flags(rawValue: 2)
        /// It is there although it was made in the past: an operation, a device.
        static let lasting = Flags(rawValue: 4)
        /// It can only be on the left, or on the right.
        static let left = Flags(rawValue: 8)
        static let right = Flags(rawValue: 16)
        /// It says how something is as a whole: `normal`.
        static let verdict = Flags(rawValue: 32)
    }

    struct Name: Sendable {
        let name: String
        let kind: Lexicon.Kind
        let parent: Int?
        let flags: Flags
        /// The name of the place that its own name says.
        let place: String?
    }

    private(set) var names: [Name] = []
    private var indices: [String: Int] = [:]

    init(_ text: LexiconText) throws(ReportsError) {
        for entry in text.entries { try add(entry, text) }
    }

    private mutating func add(_ entry: LexiconText.Entry, _ text: LexiconText) throws(ReportsError) {
        guard let kind = Lexicon.Kind(rawValue: entry.block) else {
            throw text.error(entry.line, "no block is called [\(entry.block)]")
        }
        let colon = text.place(of: UInt8(ascii: ":"), in: entry.head) ?? entry.head.upperBound
        let halves = text.pieces(of: entry.head.lowerBound..<colon, at: UInt8(ascii: "@"))
        let parts = halves.first.map { text.pieces(of: $0, at: UInt8(ascii: "<")) } ?? []
        guard let first = parts.first, parts.count <= 2, Self.isName(text.bytes[first]) else {
            throw text.error(entry.line, "a name is written in small letters, digits and hyphens")
        }
        var flags: Flags = []
        if colon < entry.head.upperBound {
            for word in text.pieces(of: colon + 1..<entry.head.upperBound, at: UInt8(ascii: " ")) {
                guard let flag = Self.flags[text.string(word)] else {
                    throw text.error(entry.line, "no flag is called '\(text.string(word))'")
                }
                flags.insert(flag)
            }
        }
        var parent: Int?
        if parts.count == 2 {
            parent = indices[text.string(parts[1])]
            guard parent != nil else {
                throw text.error(entry.line, "the parent '\(text.string(parts[1]))' does not stand above")
            }
        }
        let name = text.string(first)
        guard indices.updateValue(names.count, forKey: name) == nil else {
            throw text.error(entry.line, "'\(name)' stands there twice")
        }
        let place = halves.count > 1 ? text.string(halves[1]) : nil
        names.append(Name(name: name, kind: kind, parent: parent, flags: flags, place: place))
    }

    private static let flags: [String: Flags] = [
        "amount": .amount, "unsided": .unsided, "lasting": .lasting, "left": .left, "right": .right,
        "verdict": .verdict,
    ]

    private static func isName(_ text: ArraySlice<UInt8>) -> Bool {
        !text.isEmpty && text.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    }

    /// Whether a name is a kind of a wider one.
    func isKind(_ name: Int, of wider: Int) -> Bool {
        var next: Int? = names[name].parent
        while let index = next {
            if index == wider { return true }
            next = names[index].parent
        }
        return false
    }

    func index(of name: String) -> Int? { indices[name] }
}
