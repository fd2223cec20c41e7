import HilumCore
import HilumEmbedding
import HilumImaging

/// A stored case that a generation lacks.
struct CaseToEncode: Sendable {
    let number: UInt32
    let entry: CaseEntry
    let report: String?
}

/// What a model made of a stored case.
struct EncodedCase: Sendable {
    let number: UInt32
    /// By image; nil where it could not be read.
    var images: [[Float]?]
    /// Nil where the case has no report, or one of which no word is known.
    var report: [Float]?
}

/// Encodes stored cases with another model, as an ingest does it: images from the archive or from where they lie, reports whose
/// words are known.
///
/// Thread rule: a value; `encode` uses `threads` threads.
struct BatchEncoder: Sendable {
    let embedder: any Embedder
    let archivePath: String
    let threads: Int
    /// Asked between the passes of the model.
    let isInterrupted: @Sendable () -> Bool

    private static let reportsPerPass = 4

    /// - Returns: a result for each case, in order; nil when it was interrupted.
    func encode(_ cases: [CaseToEncode]) throws -> [EncodedCase]? {
        var encoded = cases.map { EncodedCase(number: $0.number, images: $0.entry.images.map { _ in nil }) }
        let places = cases.indices.flatMap { index in cases[index].entry.images.indices.map { (index, $0) } }
        let imageStride = max(1, embedder.imagesPerPass) * max(1, threads)
        for start in stride(from: 0, to: places.count, by: imageStride) {
            if isInterrupted() { return nil }
            let part = Array(places[start..<min(start + imageStride, places.count)])
            let images = parallelMap(part, threads: threads) { image(of: cases[$0.0].entry.images[$0.1]) }
            let readable = part.indices.filter { images[$0] != nil }
            guard !readable.isEmpty else { continue }
            let vectors = try embedder.embed(images: readable.compactMap { images[$0] }, threads: threads)
            for (row, place) in readable.enumerated() {
                encoded[part[place].0].images[part[place].1] = try unit(vectors, row)
            }
        }
        let known = try reportsWithKnownWords(cases)
        for start in stride(from: 0, to: known.count, by: Self.reportsPerPass * max(1, threads)) {
            if isInterrupted() { return nil }
            let part = known[start..<min(start + Self.reportsPerPass * max(1, threads), known.count)]
            let vectors = try embedder.embed(reports: part.map(\.report), threads: threads)
            for (row, item) in part.enumerated() { encoded[item.index].report = try unit(vectors, row) }
        }
        return encoded
    }

    /// Nil when the image is gone, was changed, or cannot be decoded.
    private func image(of image: CaseEntry.StoredImage) -> GrayImage? {
        guard let bytes = try? ImageStore.read(image, in: archivePath) else { return nil }
        return try? ImageDecoder.decodeWithNotes(bytes, fitting: embedder.imageSide).image
    }

    private func reportsWithKnownWords(_ cases: [CaseToEncode]) throws -> [(index: Int, report: String)] {
        let reader = try ReportWords.sharedReader()
        let texts = cases.indices.compactMap { index in cases[index].report.map { (index: index, report: $0) } }
        let isKnown = parallelMap(texts, threads: threads) { text in
            ReportWords(text.report, reader).saysSomething || embedder.knowsWords(of: text.report)
        }
        return texts.indices.filter { isKnown[$0] }.map { texts[$0] }
    }

    private func unit(_ vectors: [Float], _ row: Int) throws -> [Float] {
        let range = (row * embedder.dimension)..<((row + 1) * embedder.dimension)
        guard vectors.count >= range.upperBound, let unit = unitVector(Array(vectors[range])) else {
            throw ArchiveError(.badVector, "\(archivePath): the new model gave no usable vector")
        }
        return unit
    }
}
