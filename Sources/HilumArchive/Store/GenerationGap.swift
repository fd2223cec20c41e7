import HilumCore

/// Where the vectors of a case in one generation differ from what its entry says: images that could not be read when the case was
/// encoded again, and a report whose words one model knows and another does not.
///
///     0 generation (4) · 4 whether the report has no vector (1) · 5 places of the images without a vector (count, 2 each)
struct GenerationGap: Equatable {
    let generation: UInt32
    var lacksReportVector: Bool
    /// Ascending, from 0.
    var images: [UInt16] = []

    init(generation: UInt32, lacksReportVector: Bool, images: [UInt16] = []) {
        self.generation = generation
        self.lacksReportVector = lacksReportVector
        self.images = images
    }

    func write(to writer: inout ByteWriter) {
        writer.integer(generation)
        writer.byte(lacksReportVector ? 1 : 0)
        writer.length(images.count)
        for image in images { writer.integer(image) }
    }

    init(_ reader: inout ByteReader) throws(ByteReader.Malformed) {
        generation = try reader.integer()
        lacksReportVector = try reader.byte() == 1
        for _ in 0..<(try reader.length()) { images.append(try reader.integer()) }
    }
}
