import HilumCore

/// Where the vectors of a case in one generation differ from what its entry says: images that could not be read when the case was
/// encoded again, vectors that nobody imported, and a report whose words one model knows and another does not.
///
///     0 generation (4) · 4 report (1): 0 has a vector, 1 has none, 2 has none and should · 5 places of the images without a vector
///     (count, 2 each)
///
/// 2 is written in format 4 only.
struct GenerationGap: Equatable {
    let generation: UInt32
    var lacksReportVector: Bool
    /// Whether the report should have a vector and has none: it was not imported, or the archive has no text to encode.
    var isReportMissing: Bool
    /// Ascending, from 0.
    var images: [UInt16] = []

    init(generation: UInt32, lacksReportVector: Bool, isReportMissing: Bool = false, images: [UInt16] = []) {
        precondition(lacksReportVector || !isReportMissing, "a report that is missing has no vector")
        self.generation = generation
        self.lacksReportVector = lacksReportVector
        self.isReportMissing = isReportMissing
        self.images = images
    }

    func write(to writer: inout ByteWriter) {
        writer.integer(generation)
        writer.byte(isReportMissing ? 2 : lacksReportVector ? 1 : 0)
        writer.length(images.count)
        for image in images { writer.integer(image) }
    }

    init(_ reader: inout ByteReader) throws(ByteReader.Malformed) {
        generation = try reader.integer()
        let report = try reader.byte()
        (lacksReportVector, isReportMissing) = (report != 0, report == 2)
        for _ in 0..<(try reader.length()) { images.append(try reader.integer()) }
    }
}
