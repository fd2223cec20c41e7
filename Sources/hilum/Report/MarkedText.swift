import HilumCore

/// A report with parts of it marked.
struct MarkedText {
    /// What a mark says.
    enum Kind: String {
        /// Words that answered the question.
        case hit
        /// What the report denies.
        case denied
    }

    let text: String
    /// Ranges of UTF-8 bytes; they may overlap.
    let marks: [(range: Range<Int>, kind: Kind)]

    /// The marks of a hit: its highlights, and what its report denies.
    init(_ text: String, of hit: JSON) {
        func range(_ json: JSON?) -> Range<Int>? {
            guard let pair = json?.array, pair.count == 2, let first = pair[0].integer, let end = pair[1].integer,
                first < end
            else { return nil }
            return first..<end
        }
        self.text = text
        var marks = (hit["highlights"]?.array ?? []).compactMap { range($0).map { (range: $0, kind: Kind.hit) } }
        for said in hit["said"]?.array ?? [] where said["assertion"]?.string == "absent" {
            if let range = range(said["range"]) { marks.append((range, .denied)) }
        }
        self.marks = marks
    }

    /// The text as HTML; a line feed becomes a break.
    var html: HTML {
        let bytes = Array(text.utf8)
        var cuts: Set<Int> = [0, bytes.count]
        for (range, _) in marks {
            for cut in [range.lowerBound, range.upperBound] where cut < bytes.count { cuts.insert(cut) }
        }
        let places = cuts.sorted()
        var html: HTML = ""
        for (from, to) in zip(places, places.dropFirst()) {
            let kinds = marks.filter { $0.range.lowerBound <= from && $0.range.upperBound >= to }.map(\.kind)
            let lines = bytes[from..<to].split(separator: 10, omittingEmptySubsequences: false)
            let piece = HTML.joined(
                lines.enumerated().map { index, line -> HTML in
                    let text = String(decoding: line, as: UTF8.self)
                    return index == 0 ? "\(text)" : "<br>\(text)"
                })
            if kinds.contains(.hit) {
                html += "<mark>\(piece)</mark>"
            } else if kinds.contains(.denied) {
                html += "<span class=\"denied\">\(piece)</span>"
            } else {
                html += piece
            }
        }
        return html
    }
}
