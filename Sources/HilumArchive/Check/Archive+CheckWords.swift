import HilumCore
import HilumIndex
import HilumWords
import LMDB

extension Archive {
    /// Checks that the table of words has every report that was read, and no block or report too many.
    ///
    /// Deep: also that every list can be read.
    /// - Parameters:
    ///   - withReport: the numbers of the cases that have a report.
    ///   - live: the numbers of all cases.
    func checkWords(
        _ transaction: borrowing ReadTransaction, withReport: ItemSet, live: ItemSet, deep: Bool,
        _ report: inout CheckReport
    ) throws {
        let table = WordTable(store: store)
        let next = UInt32(clamping: try store.integer(transaction, .next) ?? 0)
        var unread = 0
        do {
            let head = try table.head(transaction, nextNumber: next)
            unread = withReport.items.count { head.unread.contains($0) }
            let strayCount = try table.checkBlocks(transaction, head.words)
            if strayCount > 0 { report.find("\(strayCount) blocks of the table of words belong to no segment") }
            try table.withBlocks(transaction) { blocks in
                let lengths = try LengthTable(head.words, store: blocks)
                let missing = withReport.items.count { lengths[$0] == nil && !head.unread.contains($0) }
                if missing > 0 { report.find("the words of \(missing) reports are missing") }
                checkDocuments(head.words, lengths, withReport: withReport, live: live, next: next, &report)
                guard deep else { return }
                for segment in head.words.segments {
                    let merge = MergePolicy.Merge(segments: [segment], level: segment.level)
                    _ = try SegmentMerger().merge(merge, number: segment.number, store: blocks) { _ in }
                }
            }
        } catch let error as WordsError { report.find("the table of words: \(error)") }
        if unread > 0 { report.notes.append("\(unread) older reports are not found by their words yet") }
    }

    /// Whether the documents of the table are those that it counts, and each belongs to a report that is or was there.
    private func checkDocuments(
        _ head: WordHead, _ lengths: LengthTable, withReport: ItemSet, live: ItemSet, next: UInt32,
        _ report: inout CheckReport
    ) {
        let counted = head.segments.reduce(0) { $0 + $1.documentCount }
        if counted != lengths.documentCount {
            report.find("the table of words counts \(counted) reports and has those of \(lengths.documentCount)")
        }
        if head.segments.contains(where: { $0.documents.upperBound >= next }) {
            report.find("the table of words has a report that was never stored")
        }
        let silent = live.subtracting(withReport).items.count { lengths[$0] != nil }
        if silent > 0 { report.find("the table of words has words of \(silent) cases without a report") }
        let stale = lengths.documentCount - silent - withReport.items.count { lengths[$0] != nil }
        if stale > 0 {
            report.notes.append("the words of \(stale) removed reports are there until their segment is merged")
        }
    }
}
