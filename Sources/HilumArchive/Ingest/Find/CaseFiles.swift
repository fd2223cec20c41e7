/// The cases of a folder or manifest, read as `BulkIndexer` reads them, for evaluation, training and embedding without an archive.
/// Images are named, not read.
public struct CaseFiles: Sendable {
    /// A row or file that is no case, and why.
    public struct Refusal: Sendable, Equatable {
        /// `manifest:line`, or the file.
        public let source: String
        /// What is wrong.
        public let reason: String
    }

    /// In the order of the source.
    public private(set) var cases: [CaseInput] = []
    /// The rows and files that are no case.
    public private(set) var refused: [Refusal] = []
    /// What the source holds that is no case.
    public private(set) var passedOver = PassedOver()

    /// Reads the cases of a folder or manifest.
    ///
    /// - Parameter source: a folder or a manifest.
    /// - Throws: `ArchiveError` with `.notFound`, `.badRequest` or `.io` when the source as a whole cannot be read.
    public init(source: String) throws {
        let scan = try SourceScanner.scan(source)
        passedOver = scan.passedOver
        for item in scan.items {
            switch item {
            case .found(let found):
                do { cases.append(try found.input()) } catch {
                    refused.append(Refusal(source: found.place, reason: error.reason))
                }
            case .refused(let place, let reason): refused.append(Refusal(source: place, reason: reason))
            }
        }
    }
}
