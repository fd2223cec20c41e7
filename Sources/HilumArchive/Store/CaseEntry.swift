import HilumCore

/// A case as it lies in the table `cases`, under its number:
///
///     0  layout of this entry (1)          currently 1
///     1  flags (1)                         1 image · 2 report · 4 the archive keeps the image
///     2  generation (4)
///     6  id, then with an image: SHA-256 (32) and path; then the fields (`CaseFields.encode(to:)`)
struct CaseEntry: Equatable {
    var id = ""
    var generation: UInt32 = 1
    var hasReport = false
    var image: StoredImage?
    var fields = CaseFields()

    struct StoredImage: Equatable {
        /// 32 bytes.
        var digest: [UInt8]
        /// Absolute; empty when the archive keeps the bytes.
        var path: String
        var isKept: Bool { path.isEmpty }
    }

    init() {}

    init(_ input: CaseInput, image: StoredImage?) {
        id = input.id
        hasReport = input.report != nil
        self.image = image
        fields = input.fields
    }

    var imageCount: Int { image == nil ? 0 : 1 }

    var vectorCount: Int { (image == nil ? 0 : 1) + (hasReport ? 1 : 0) }

    func has(_ kind: VectorKind) -> Bool { kind == .image ? image != nil : hasReport }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(1)
        writer.byte((image == nil ? 0 : 1) | (hasReport ? 2 : 0) | (image?.isKept == true ? 4 : 0))
        writer.integer(generation)
        writer.text(id)
        if let image {
            writer.raw(image.digest)
            writer.text(image.path)
        }
        fields.encode(to: &writer)
        return writer.bytes
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws(ByteReader.Malformed) {
        var reader = ByteReader(bytes)
        guard try reader.byte() == 1 else { throw ByteReader.Malformed() }
        let flags = try reader.byte()
        generation = try reader.integer()
        id = try reader.text()
        hasReport = flags & 2 != 0
        if flags & 1 != 0 {
            let digest = try reader.raw(32)
            image = StoredImage(digest: digest, path: try reader.text())
            guard image?.isKept == (flags & 4 != 0) else { throw ByteReader.Malformed() }
        }
        fields = try CaseFields(decoding: &reader)
        guard reader.isAtEnd else { throw ByteReader.Malformed() }
    }

    func record(number: UInt32, report: String?, archivePath: String) -> CaseRecord {
        CaseRecord(
            id: id, number: number, generation: generation, hasImage: image != nil, hasReport: hasReport,
            imagePath: image.map { $0.isKept ? ImageStore.path(of: $0.digest, in: archivePath) : $0.path },
            imageDigest: image.map { hexadecimal($0.digest) }, report: report, fields: fields)
    }
}
