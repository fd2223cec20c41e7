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
        for entry in text.entries {
            guard let kind = Lexicon.Kind(rawValue: entry.block) else {
                throw text.error(entry.line, "no block is called [\(entry.block)]")
            }
            let sides = entry.head.split(separator: ":", maxSplits: 1).map(LexiconText.trimmed)
            let halves = sides[0].split(separator: "@").map(LexiconText.trimmed)
            let parts = halves[0].split(separator: "<").map(LexiconText.trimmed)
            guard let first = parts.first, parts.count <= 2, Self.isName(first) else {
                throw text.error(entry.line, "a name is written in small letters, digits and hyphens")
            }
            var flags: Flags = []
            for word in sides.count > 1 ? sides[1].split(separator: " ") : [] {
                guard let flag = Self.flags[String(word)] else {
                    throw text.error(entry.line, "no flag is called '\(word)'")
                }
                flags.insert(flag)
            }
            var parent: Int?
            if parts.count == 2 {
                parent = indices[String(parts[1])]
                guard parent != nil else {
                    throw text.error(entry.line, "the parent '\(parts[1])' does not stand above")
                }
            }
            let place = halves.count > 1 ? String(halves[1]) : nil
            guard indices.updateValue(names.count, forKey: String(first)) == nil else {
                throw text.error(entry.line, "'\(first)' stands there twice")
            }
            names.append(Name(name: String(first), kind: kind, parent: parent, flags: flags, place: place))
        }
    }

    private static let flags: [String: Flags] = [
        "amount": .amount, "unsided": .unsided, "lasting": .lasting, "left": .left, "right": .right,
        "verdict": .verdict,
    ]

    private static func isName(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
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
