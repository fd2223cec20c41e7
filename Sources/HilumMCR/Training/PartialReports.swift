import HilumCore

/// Shows the report encoder parts of reports: a few sentences, as a person types them into a search field.
enum PartialReports {
    /// With probability `share` only some sentences of the report, at least one, in their order; else the report as it is.
    ///
    /// A pure function of (seed, step, sample). Sentences end at a full stop.
    static func draw(
        _ report: TokenizedReport, share: Double, periodID: Int32?, seed: UInt64, step: Int, sample: Int
    ) -> TokenizedReport {
        guard share > 0, let periodID else { return report }
        var generator = SeededGenerator(seed: seed, keys: 0x9A_27, UInt64(step), UInt64(sample))
        guard generator.chance(share) else { return report }
        var sentences: [Range<Int>] = []
        let last = report.ids.count - 1
        var start = 1
        for place in 1..<max(1, last) where report.ids[place] == periodID || place == last - 1 {
            sentences.append(start..<(place + 1))
            start = place + 1
        }
        guard sentences.count > 1 else { return report }
        // From one sentence to all but one, small numbers as likely as large ones.
        let wanted = 1 + generator.integer(below: sentences.count - 1)
        var chosen = Array(sentences.indices)
        generator.shuffle(&chosen)
        var part = TokenizedReport()
        part.ids.append(report.ids[0])
        part.wordIndex.append(-1)
        var previousWord: Int32 = -1
        for index in chosen.prefix(wanted).sorted() {
            for place in sentences[index] {
                if report.wordIndex[place] != previousWord {
                    previousWord = report.wordIndex[place]
                    part.wordRanges.append(report.wordRanges[Int(previousWord)])
                }
                part.ids.append(report.ids[place])
                part.wordIndex.append(Int32(part.wordRanges.count - 1))
            }
        }
        part.ids.append(report.ids[last])
        part.wordIndex.append(-1)
        return part
    }
}
