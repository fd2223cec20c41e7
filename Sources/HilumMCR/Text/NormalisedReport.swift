import HilumCore

/// A report as the rule of "identical reports" sees it: folded like the tokenizer folds (case, accents, widths), white space
/// collapsed to one space, sentence punctuation trimmed from both ends of every word. Signs inside a word (`3.5`, `x-ray`)
/// and signs with a meaning (`<`, `+`, `%`) stay.
public func normalisedReport(_ text: String) -> String {
    var output: [UInt8] = []
    output.reserveCapacity(text.utf8.count)
    var text = text
    // Safety: the bytes live for the closure, and the scanner does not leave it.
    text.withUTF8 { source in
        var scanner = WordScanner(source)
        // A run of words with no space between them is one word of the text, such as "(x-ray)".
        var run: [UInt8] = []
        var runEnd = -1
        while let range = scanner.next() {
            if range.lowerBound != runEnd && runEnd >= 0 && hasSpace(source, runEnd..<range.lowerBound) {
                appendTrimmed(run, to: &output)
                run.removeAll(keepingCapacity: true)
            }
            if scanner.isTooLong {
                run.append(contentsOf: source[range])
            } else {
                run.append(contentsOf: scanner.word)
            }
            runEnd = range.upperBound
        }
        appendTrimmed(run, to: &output)
    }
    return String(decoding: output, as: UTF8.self)
}

/// The first eight bytes (big-endian) of SHA-256 over `normalisedReport(text)`: the same on every machine and in every run.
public func normalisedReportHash(_ text: String) -> UInt64 {
    var hash = SHA256()
    hash.update(normalisedReport(text))
    return hash.finish().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
}

/// Whether a gap between two words holds white space, and not only characters that are dropped.
private func hasSpace(_ source: UnsafeBufferPointer<UInt8>, _ gap: Range<Int>) -> Bool {
    String(decoding: source[gap], as: UTF8.self).unicodeScalars.contains { $0.properties.isWhitespace }
}

private func appendTrimmed(_ run: [UInt8], to output: inout [UInt8]) {
    let scalars = Array(String(decoding: run, as: UTF8.self).unicodeScalars)
    var kept = scalars[...]
    // A leading minus may be a sign; a word that is nothing but a dash goes below.
    while let first = kept.first, first != "-", isSentencePunctuation(first) { kept = kept.dropFirst() }
    while let last = kept.last, isSentencePunctuation(last) { kept = kept.dropLast() }
    guard !kept.isEmpty else { return }
    if !output.isEmpty { output.append(0x20) }
    for scalar in kept { output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter) }
}

private func isSentencePunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case ".", ",", ";", ":", "!", "?", "'", "\"", "(", ")", "[", "]", "{", "}", "-", "_", "*", "。", "、", "，", "．", "・",
        "「", "」", "『", "』", "（", "）", "…", "•", "«", "»", "¿", "¡":
        true
    default: false
    }
}
