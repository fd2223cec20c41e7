/// Writes out the short forms of a phrase: `(a|b)` is one or the other, `[s]` may be there or not.
///
/// `effusion[s]` is `effusion` and `effusions`; `(no|without) [any] sign[s] of` is eight phrases. Groups may stand in groups.
enum PhrasePattern {
    /// More would be a mistake.
    static let limit = 4_000

    /// - Parameter error: makes the error that is thrown for a reason.
    static func expand(
        _ pattern: String, _ error: (String) -> ReportsError
    ) throws(ReportsError) -> [String] {
        var rest = Substring(pattern)
        let phrases = try alternatives(&rest, error)
        guard rest.isEmpty else { throw error("a bracket is closed that was not opened: \(pattern)") }
        var seen: Set<String> = []
        return phrases.map(single).filter { !$0.isEmpty && seen.insert($0).inserted }
    }

    /// Alternatives up to a closing bracket or the end.
    private static func alternatives(
        _ rest: inout Substring, _ error: (String) -> ReportsError
    ) throws(ReportsError) -> [String] {
        var done: [String] = []
        var current = [""]
        while let character = rest.first, character != ")", character != "]" {
            rest = rest.dropFirst()
            switch character {
            case "|":
                done += current
                current = [""]
            case "(", "[":
                var inner = try alternatives(&rest, error)
                guard rest.first == (character == "(" ? ")" : "]") else { throw error("a bracket is not closed") }
                rest = rest.dropFirst()
                if character == "[" { inner.append("") }
                let heads = current
                current = heads.flatMap { head in inner.map { head + $0 } }
                guard current.count <= limit else { throw error("a phrase stands for more than \(limit)") }
            default: for index in current.indices { current[index].append(character) }
            }
        }
        return done + current
    }

    /// One blank between words.
    private static func single(_ text: String) -> String {
        text.split(separator: " ").joined(separator: " ")
    }
}
