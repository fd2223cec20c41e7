import HilumPrivacy

/// A program of the user's that each report goes through before it is stored; see `ExternalFilter` for how it is spoken to.
///
/// Thread rule: any thread.
public struct ReportFilter: Sendable {
    let program: ExternalFilter
    /// As it was given; sources are read again when it changes.
    let command: String

    /// A filter by its command, which the first report starts.
    ///
    /// - Throws: `.badRequest` for a command that cannot be read.
    public init(_ command: String) throws(ArchiveError) {
        do throws(PrivacyError) { program = try ExternalFilter(command) } catch {
            throw ArchiveError(.badRequest, error.description)
        }
        self.command = command
    }
}
