/// The words of a command line: cut at blanks, quotes hold them together.
///
/// No shell reads the command, and no text of a report is ever a part of it. A backslash keeps the character behind it, except within
/// single quotes. Thread rule: a value.
struct FilterCommand: Sendable, Equatable {
    let words: [String]

    /// - Throws: `.filterMissing` for a command without words, and for a quote that is not closed.
    init(_ command: String) throws(PrivacyError) {
        var words: [String] = []
        var word: String.UnicodeScalarView?
        var quote: Unicode.Scalar?
        var isEscaped = false
        for scalar in command.unicodeScalars {
            if isEscaped {
                word = (word ?? .init()) + [scalar]
                isEscaped = false
            } else if scalar == "\\" && quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if scalar == open { quote = nil } else { word = (word ?? .init()) + [scalar] }
            } else if scalar == "'" || scalar == "\"" {
                quote = scalar
                word = word ?? .init()
            } else if scalar == " " || scalar == "\t" || scalar == "\n" {
                if let whole = word { words.append(String(whole)) }
                word = nil
            } else {
                word = (word ?? .init()) + [scalar]
            }
        }
        guard quote == nil, !isEscaped else {
            throw PrivacyError(.filterMissing("a quote is not closed"), path: "of --report-filter")
        }
        if let whole = word { words.append(String(whole)) }
        guard let first = words.first, !first.isEmpty else {
            throw PrivacyError(.filterMissing("there is no command"), path: "of --report-filter")
        }
        self.words = words
    }
}
