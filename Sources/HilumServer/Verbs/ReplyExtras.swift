import HilumArchive
import HilumCore

/// The `with=` of a request: what its replies bring beside the fields of a case.
struct ReplyExtras: Sendable, Equatable {
    enum Extra: String, Sendable {
        /// The fields; always there.
        case meta
        case report, path, vector
        /// The bytes of a report that answer to the words of a question.
        case highlights
    }

    private var extras: Set<Extra> = []

    init(_ text: String?, allowed: [Extra]) throws(ServerError) {
        guard let text else { return }
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let extra = Extra(rawValue: String(word)), allowed.contains(extra) else {
                let names = allowed.map(\.rawValue).joined(separator: ", ")
                throw .refused(.badRequest, "with= takes \(names), joined by commas")
            }
            extras.insert(extra)
        }
    }

    func has(_ extra: Extra) -> Bool { extras.contains(extra) }

    /// Writes what was asked for and is there, as members of an object.
    ///
    /// - Parameter image: the place of the image whose path is wanted.
    func write(
        _ record: CaseRecord, image: Int = 0, _ vectors: [VectorKind: [Float]]?, to json: inout JSONWriter
    ) {
        if has(.path), !record.hidesNames, record.images.indices.contains(image) {
            json.member("path", record.images[image].path)
        }
        if has(.report), let report = record.report { json.member("report", report) }
        guard let vectors else { return }
        json.key("vectors")
        json.beginObject()
        for kind in VectorKind.allCases {
            if let vector = vectors[kind] { json.member(kind.rawValue, VectorText.encode(vector)) }
        }
        json.endObject()
    }
}
