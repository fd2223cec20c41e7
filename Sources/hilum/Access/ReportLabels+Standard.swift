import HilumReports

extension ReportLabels {
    /// Labels by the lexicon that comes with the program.
    ///
    /// - Throws: `CommandError` when the lexicon is missing.
    static func standard() throws(CommandError) -> ReportLabels {
        do { return ReportLabels(ReportReader(lexicon: try Lexicon.shared())) } catch {
            throw CommandError(.failed, error.description)
        }
    }
}
