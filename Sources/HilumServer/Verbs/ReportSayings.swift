import HilumCore
import HilumReports

/// What a report says of findings, as `with=said` writes it.
enum ReportSayings {
    private static let reader = Result { ReportReader(lexicon: try Lexicon.shared()) }

    /// - Throws: IO where the lexicon that belongs to the program is missing.
    static func check() throws(ServerError) {
        if case .failure(let error) = reader { throw .refused(.io, "with=said: \(error)") }
    }

    /// Writes the member `said`: one object a finding in the order of the report, with its assertion, its side where it is known, and the
    /// UTF-8 bytes it was read from. `check` has found the lexicon.
    ///
    /// - Complexity: O(length of the report).
    static func write(_ report: String, to json: inout JSONWriter) {
        guard let reader = try? reader.get() else { return }
        json.key("said")
        json.beginArray()
        for finding in reader.read(report).findings {
            json.beginObject()
            json.member("name", finding.name)
            json.member("assertion", finding.assertion.rawValue)
            if let side = finding.side { json.member("side", side.value.rawValue) }
            json.member("range", [finding.range.lowerBound, finding.range.upperBound])
            json.endObject()
        }
        json.endArray()
    }
}
