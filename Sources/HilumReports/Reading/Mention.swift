/// A finding where it is said, before its attributes are known.
struct Mention {
    /// In the table of names.
    var name: Int
    /// 0 as it is, 1 denied by its own wording (`normal heart size`), 2 doubted by it (`borderline heart size`).
    var wording: UInt8
    /// The index of its mark; of a pair, the later part's.
    var mark: Int
    /// The index of the earlier part's mark; the same as `mark` for a finding in one piece.
    var earlier: Int
    /// What is said of it, where the words that say it stand beside it alone: the second side of a finding.
    var assertion: ReportFinding.Assertion?
}
