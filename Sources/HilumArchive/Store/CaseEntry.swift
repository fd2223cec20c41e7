import HilumCore

/// A case as the table `cases` stores it under its number:
///
///     0  layout of this entry (1)          3, or 4 with gaps
///     1  flags (1)                         2 report · 8 it has no vector
///     2  generation (4)
///     6  id, then the images (count, each: SHA-256 (32), path, empty when the archive keeps the image and "-" when there is no
///        picture, and view if it is known),
///        then the fields (`CaseFields.encode(to:)`), then the source if it is known, then, in layout 4, the gaps
///        (count, each: `GenerationGap`)
///
/// Layout 4 is written only for a case that lacks a vector in one generation and has it in another.
/// Layout 2 ends with the fields: where such a case came from is not known. An entry is written in the present layout when its case
/// changes, so an archive may hold all of them.
/// Layout 1, of format 1: flags 1 image · 4 the archive keeps the image; with an image SHA-256 (32) and path in place of the images.
struct CaseEntry: Equatable {
    var id = ""
    var generation: UInt32 = 1
    /// A report without a text is stored as an empty one: only its vector was imported.
    var hasReport = false
    /// Whether no word of the report is known, so that it has no vector and is found by its words alone.
    var lacksReportVector = false
    var images: [StoredImage] = []
    var fields = CaseFields()
    /// What it was read from (`CaseOrigin.source`); empty for a case that was put by itself, nil where it is not known.
    var source: String?
    /// Where a generation differs from what this entry says of vectors; by generation, ascending.
    var gaps: [GenerationGap] = []

    struct StoredImage: Equatable {
        /// 32 bytes.
        var digest: [UInt8]
        /// Absolute; empty when the archive keeps the bytes.
        var path: String
        var view: String?
        var isKept: Bool { path.isEmpty }
        /// Whether there is a picture; of an imported vector there may be none. The digest is that of the vector then.
        var hasPicture: Bool { path != Self.noPicture }

        /// Stands in place of a path. Those of pictures are absolute.
        private static let noPicture = "-"

        init(digest: [UInt8], path: String, view: String? = nil) {
            self.digest = digest
            self.path = path
            self.view = view
        }

        /// An image of which only the vector is known.
        init(ofVector digest: [UInt8], view: String? = nil) {
            self.init(digest: digest, path: Self.noPicture, view: view)
        }
    }

    init() {}

    init(_ input: CaseInput, images: [StoredImage], lacksReportVector: Bool) {
        id = input.id
        hasReport = input.report != nil
        self.lacksReportVector = hasReport && lacksReportVector
        self.images = images
        fields = input.fields
        source = input.origin?.source ?? ""
    }

    var hasReportVector: Bool { hasReport && !lacksReportVector }
    var vectorCount: Int { images.count + (hasReportVector ? 1 : 0) }

    /// How many numbers a case takes: its own, and one more for each further image.
    var numberCount: UInt32 { UInt32(max(1, images.count)) }

    /// The items of the case `number`, which have vectors: its images have the numbers from its own on, its report has its own.
    func items(_ kind: VectorKind, of number: UInt32) -> Range<UInt32> {
        number..<(number + (kind == .image ? UInt32(images.count) : hasReportVector ? 1 : 0))
    }

    // MARK: Generations

    private func gap(in generation: UInt32) -> GenerationGap? { gaps.first { $0.generation == generation } }

    /// Whether the report has no vector in `generation`.
    func lacksReportVector(in generation: UInt32) -> Bool {
        hasReport && (gap(in: generation)?.lacksReportVector ?? lacksReportVector)
    }

    /// Images and reports that should have a vector in `generation` and have none.
    func missingCount(in generation: UInt32) -> Int {
        missingImageCount(in: generation) + (gap(in: generation)?.isReportMissing == true ? 1 : 0)
    }

    /// Images without a vector in `generation`.
    func missingImageCount(in generation: UInt32) -> Int { gap(in: generation)?.images.count ?? 0 }

    /// The items of the case `number` that have vectors in `generation`.
    func items(_ kind: VectorKind, of number: UInt32, in generation: UInt32) -> [UInt32] {
        guard kind == .image else { return hasReport && !lacksReportVector(in: generation) ? [number] : [] }
        let missing = gap(in: generation)?.images ?? []
        return images.indices.filter { !missing.contains(UInt16($0)) }.map { number + UInt32($0) }
    }

    /// The items that the case `number` may have in any generation.
    func allItems(_ kind: VectorKind, of number: UInt32) -> Range<UInt32> {
        number..<(number + (kind == .image ? UInt32(images.count) : hasReport ? 1 : 0))
    }

    /// Notes what the case has in `gap.generation`, and keeps nothing where that is what the entry says.
    mutating func note(_ gap: GenerationGap) {
        gaps.removeAll { $0.generation == gap.generation }
        let isReportOther = gap.lacksReportVector != lacksReportVector || gap.isReportMissing
        guard !gap.images.isEmpty || hasReport && isReportOther else { return }
        gaps.append(gap)
        gaps.sort { $0.generation < $1.generation }
    }

    // MARK: Bytes

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(gaps.isEmpty ? 3 : 4)
        writer.byte((hasReport ? 2 : 0) | (lacksReportVector ? 8 : 0))
        writer.integer(generation)
        writer.text(id)
        writer.length(images.count)
        for image in images {
            writer.raw(image.digest)
            writer.text(image.path)
            writer.optionalText(image.view)
        }
        fields.encode(to: &writer)
        writer.optionalText(source)
        if !gaps.isEmpty {
            writer.length(gaps.count)
            for gap in gaps { gap.write(to: &writer) }
        }
        return writer.bytes
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws(ByteReader.Malformed) {
        var reader = ByteReader(bytes)
        let layout = try reader.byte()
        guard (1...4).contains(layout) else { throw ByteReader.Malformed("a layout that is not known") }
        let flags = try reader.byte()
        generation = try reader.integer()
        id = try reader.text()
        hasReport = flags & 2 != 0
        lacksReportVector = layout > 2 && flags & 8 != 0
        for _ in 0..<(layout == 1 ? Int(flags & 1) : try reader.length()) {
            var image = StoredImage(digest: try reader.raw(32), path: try reader.text())
            if layout > 1 { image.view = try reader.optionalText() }
            images.append(image)
        }
        fields = try CaseFields(decoding: &reader)
        if layout > 2 { source = try reader.optionalText() }
        if layout > 3 { for _ in 0..<(try reader.length()) { gaps.append(try GenerationGap(&reader)) } }
        guard reader.isAtEnd else { throw ByteReader.Malformed() }
    }

    func record(number: UInt32, report: String?, archivePath: String) -> CaseRecord {
        CaseRecord(
            id: id, number: number, generation: generation,
            images: images.map { image in
                CaseRecord.Image(
                    path: image.isKept
                        ? ImageStore.path(of: image.digest, in: archivePath) : image.hasPicture ? image.path : "",
                    digest: hexadecimal(image.digest), view: image.view)
            }, hasReport: hasReport, report: report == "" ? nil : report, fields: fields,
            source: source == "" ? nil : source)
    }
}
