import HilumCore

/// What the archive knows of an image that was set aside, in the table `meta` under `Store.quarantineKey`:
///
///     0  layout of this entry (1)          1
///     1  state (1) · 2  reason (1)         `State`, `QuarantinedImage.Reason`
///     3  seconds since 1970 (8)
///    11  id of the case · source, if there is one · SHA-256 of the image (32) · its path, empty when the archive keeps it · its view, if it
///        is known · its place in the case (2) · the fields of the case (`CaseFields.encode(to:)`)
///
/// The fields are there for a case of which nothing else could be stored. In an archive that hides names, id, source and path are sealed.
struct QuarantineEntry: Equatable {
    /// What was decided.
    enum State: UInt8 {
        /// Nothing yet.
        case held = 1
        /// The image belongs to its case.
        case released = 2
        /// It does not, whenever it comes.
        case dropped = 3
    }

    var state = State.held
    var reason: QuarantinedImage.Reason
    var seconds: Int64
    var id: String
    /// `CaseOrigin.source`; nil for a case that was put by itself.
    var source: String?
    var image: CaseEntry.StoredImage
    /// Among the images of the case, from 0.
    var place: Int
    var fields: CaseFields

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(1)
        writer.byte(state.rawValue)
        writer.byte(reason.code)
        writer.integer(seconds)
        writer.text(id)
        writer.optionalText(source)
        writer.raw(image.digest)
        writer.text(image.path)
        writer.optionalText(image.view)
        writer.integer(UInt16(clamping: place))
        fields.encode(to: &writer)
        return writer.bytes
    }

    init(
        reason: QuarantinedImage.Reason, seconds: Int64, id: String, source: String?, image: CaseEntry.StoredImage,
        place: Int, fields: CaseFields
    ) {
        self.reason = reason
        self.seconds = seconds
        self.id = id
        self.source = source
        self.image = image
        self.place = place
        self.fields = fields
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws(ByteReader.Malformed) {
        var reader = ByteReader(bytes)
        guard try reader.byte() == 1 else { throw ByteReader.Malformed("a layout that is not known") }
        guard let state = State(rawValue: try reader.byte()),
            let reason = QuarantinedImage.Reason(code: try reader.byte())
        else { throw ByteReader.Malformed() }
        self.state = state
        self.reason = reason
        seconds = try reader.integer()
        id = try reader.text()
        source = try reader.optionalText()
        image = CaseEntry.StoredImage(digest: try reader.raw(32), path: try reader.text())
        image.view = try reader.optionalText()
        let place: UInt16 = try reader.integer()
        self.place = Int(place)
        fields = try CaseFields(decoding: &reader)
        guard reader.isAtEnd else { throw ByteReader.Malformed() }
    }
}
