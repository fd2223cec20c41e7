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
    /// Whether the report has no vector though it should have one.
    var isReportMissing = false
}

/// Encodes stored cases with another model, as an ingest does it: images from the archive or from where they lie, reports whose
/// words are known.
///
/// Thread rule: a value; `encode` uses `threads` threads.
struct BatchEncoder: BatchVectors {
    let embedder: any Embedder
    let archivePath: String
    let threads: Int
    /// Asked between the passes of the model.
    let isInterrupted: @Sendable () -> Bool

    private static let reportsPerPass = 4

    /// - Returns: a result for each case, in order; nil when it was interrupted.
    func encode(_ cases: [CaseToEncode]) throws -> [EncodedCase]? {
        var encoded = cases.map { item in
            // Only the vector of such a report was imported, so there is nothing to encode.
            EncodedCase(
                number: item.number, images: item.entry.images.map { _ in nil },
                isReportMissing: item.report?.isEmpty == true)
        }
        let places = cases.indices.flatMap { index in cases[index].entry.images.indices.map { (index, $0) } }
        let imageStride = max(1, embedder.imagesPerPass) * max(1, threads)
        for start in stride(from: 0, to: places.count, by: imageStride) {
            if isInterrupted() { return nil }
            let part = Array(places[start..<min(start + imageStride, places.count)])
            let images = try parallelMap(part, threads: threads) { place in
                Result { try image(of: cases[place.0].entry.images[place.1]) }
            }.map { try $0.get() }
            let readable = part.indices.filter { images[$0] != nil }
            guard !readable.isEmpty else { continue }
            let vectors = try embedder.embed(images: readable.compactMap { images[$0] }, threads: threads)
            for (row, place) in readable.enumerated() {
                encoded[part[place].0].images[part[place].1] = try unit(vectors, row, of: readable.count)
            }
        }
        let known = try reportsWithKnownWords(cases)
        for start in stride(from: 0, to: known.count, by: Self.reportsPerPass * max(1, threads)) {
            if isInterrupted() { return nil }
            let part = known[start..<min(start + Self.reportsPerPass * max(1, threads), known.count)]
            let vectors = try embedder.embed(reports: part.map(\.report), threads: threads)
            for (row, item) in part.enumerated() {
                encoded[item.index].report = try unit(vectors, row, of: part.count)
            }
        }
        return encoded
    }

    /// Nil when the image is gone, was changed, or cannot be decoded.
    ///
    /// - Throws: `.notReady`, `.io` where that says nothing about the image: without its decoder, without memory.
    private func image(of image: CaseEntry.StoredImage) throws(ArchiveError) -> GrayImage? {
        guard let bytes = try? ImageStore.read(image, in: archivePath) else { return nil }
        var isSecondTry = false
        while true {
            do throws(ImagingError) {
                return try ImageDecoder.decodeWithNotes(bytes, fitting: embedder.imageSide).image
            } catch {
                switch error.code {
                case .decoderMissing: throw ArchiveError(.notReady, "\(archivePath): \(error)")
                case .outOfMemory: throw ArchiveError(.io, "\(archivePath): \(error)")
                // The system may have ended it; an image that ends it twice does so itself.
                case .decoderLost where !isSecondTry: isSecondTry = true
                default: return nil
                }
            }
        }
    }

    private func reportsWithKnownWords(_ cases: [CaseToEncode]) throws -> [(index: Int, report: String)] {
        let reader = try ReportWords.sharedReader()
        let texts = cases.indices.compactMap { index in cases[index].report.map { (index: index, report: $0) } }
            .filter { !$0.report.isEmpty }
        let isKnown = parallelMap(texts, threads: threads) { text in
            ReportWords(text.report, reader).saysSomething || embedder.knowsWords(of: text.report)
        }
        return texts.indices.filter { isKnown[$0] }.map { texts[$0] }
    }

    /// Nil for a vector that cannot be used: one image or report must not keep the others from their vectors.
    private func unit(_ vectors: [Float], _ row: Int, of count: Int) throws(ArchiveError) -> [Float]? {
        guard vectors.count == count * embedder.dimension else {
            throw ArchiveError(.badVector, "\(archivePath): the new model gave vectors of another dimension")
        }
        return unitVector(Array(vectors[(row * embedder.dimension)..<((row + 1) * embedder.dimension)]))
    }
}
