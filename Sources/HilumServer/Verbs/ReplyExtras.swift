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
        /// The views of all images of a case.
        case images
        /// What the report says of findings: affirmed, denied, uncertain.
        case said
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
        if has(.said) { try ReportSayings.check() }
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
        if has(.images) { Self.write(record.images, to: &json) }
        if has(.said), let report = record.report { ReportSayings.write(report, to: &json) }
        guard let vectors else { return }
        json.key("vectors")
        json.beginObject()
        for kind in VectorKind.allCases {
            if let vector = vectors[kind] { json.member(kind.rawValue, VectorText.encode(vector)) }
        }
        json.endObject()
    }

    /// One object an image, in the order of the case, with its view where it is known.
    private static func write(_ images: [CaseRecord.Image], to json: inout JSONWriter) {
        json.key("images")
        json.beginArray()
        for image in images {
            json.beginObject()
            if let view = image.view { json.member("view", view) }
            json.endObject()
        }
        json.endArray()
    }
}
