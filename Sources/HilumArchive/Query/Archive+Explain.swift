import Foundation
import HilumCore
import HilumImaging
import HilumEmbedding

extension Archive {
    /// How many stored images the evidence of an explanation is held against, and with how few it is not.
    private static let referenceCount = 200
    private static let leastReferenceCount = 20

    /// Which patches of an image answer to which words of `text`, against up to 200 of the archive's own images.
    ///
    /// The reference images are spread evenly over the cases in the order of storing; they are read and encoded at the first
    /// call and kept while the archive is open. An archive with fewer than 20 readable images has no reference, and the bare
    /// score is taken apart.
    /// - Throws: `.badRequest` for an empty text, `.limit` for one that is too long, `.notReady` without a model of local
    ///   features, `.io` and `.damaged`.
    /// - Complexity: O(n) and 200 images at the first call, then one image and one text.
    public func explain(_ image: GrayImage, text: String) throws -> Explanation {
        try withArchiveErrors {
            guard text.contains(where: { !$0.isWhitespace }) else {
                throw ArchiveError(.badRequest, "the text is empty")
            }
            guard text.utf8.count <= ArchiveLimits.reportByteCount else {
                throw ArchiveError(.limit, "the text is longer than \(ArchiveLimits.reportByteCount) bytes")
            }
            let serving = self.serving
            guard let model = serving.embedder as? any ExplainingEmbedder else {
                throw ArchiveError(
                    .notReady, "\(path): no model is loaded that can say where in an image its answer lies")
            }
            do {
                return try model.explain(
                    image: image, text: text, baseline: try explanationBaseline(model, serving.generation))
            } catch let error as EmbeddingError {
                throw ArchiveError(.notReady, error.description)
            }
        }
    }

    private func explanationBaseline(
        _ model: any ExplainingEmbedder, _ generation: UInt32
    ) throws -> ExplanationBaseline? {
        if let known = explanationBaseline.withLock({ $0 }), known.generation == generation { return known.baseline }
        var ids: [String] = []
        try forEachCase { record in
            if record.hasImage { ids.append(record.id) }
            return true
        }
        let wanted = min(ids.count, Self.referenceCount)
        var images: [GrayImage] = []
        for index in 0..<wanted {
            // A file that is gone or was changed is no reference; its case stays searchable.
            guard let bytes = try? imageBytes(of: ids[index * ids.count / wanted]),
                let image = try? model.imageSide.map({ try ImageDecoder.decode(bytes, fitting: $0) })
                    ?? ImageDecoder.decode(bytes)
            else { continue }
            images.append(image)
        }
        // Too few images are not remembered: an archive grows.
        guard images.count >= Self.leastReferenceCount else { return nil }
        let baseline = try model.baseline(images: images, threads: defaultThreadCount)
        // Made outside of the lock: two first calls at once do the same work and come to the same bits.
        explanationBaseline.withLock { $0 = (generation, baseline) }
        return baseline
    }
}
