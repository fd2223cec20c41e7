import Foundation
import HilumCore
import HilumEmbedding
import LMDB
import Synchronization

extension Archive {
    /// Stores cases; those with an id that is there already replace it. What is reported as stored is on disk.
    ///
    /// Reading, decoding and encoding run on `threads` threads, outside of the transactions (one for each 64 cases). A case
    /// that cannot be read is refused by itself.
    ///
    /// - Parameter courtesy: whom the work makes room for.
    /// - Returns: one outcome for each input, in order.
    /// - Throws: `.readOnly`, `.notReady` without an embedder, `.io`; then the cases of earlier transactions are stored.
    @discardableResult
    public func put(
        _ inputs: [CaseInput], threads: Int = defaultThreadCount, courtesy: Courtesy = .none
    ) throws -> [PutOutcome] {
        let embedder = try writableEmbedder()
        var outcomes: [PutOutcome] = []
        for start in stride(from: 0, to: inputs.count, by: ArchiveLimits.batchCount) {
            let batch = Array(inputs[start..<min(start + ArchiveLimits.batchCount, inputs.count)])
            let prepared = try prepare(
                batch.map(PreparedCase.init), with: embedder, threads: threads, courtesy: courtesy)
            outcomes += try commit(prepared, threads: threads, courtesy: courtesy)
        }
        return outcomes
    }

    /// The embedder, if cases can be stored.
    ///
    /// - Throws: `.readOnly`, `.notReady` without an embedder.
    func writableEmbedder() throws(ArchiveError) -> any Embedder {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        guard let embedder else {
            if let space {
                throw ArchiveError(
                    .notReady,
                    "\(path): its vectors are those of the space \(space), and no model here can encode a case; "
                        + "bring cases with their vectors by `hilum import`")
            }
            throw ArchiveError(
                .notReady, "\(path): no model is loaded, so nothing can be encoded; give one with --model")
        }
        return embedder
    }

    /// Reads, decodes and embeds; what fails becomes a refusal of its case.
    ///
    /// - Parameter isForced: embeds also what seems to be stored already.
    func prepare(
        _ cases: [PreparedCase], with embedder: any Embedder, threads: Int, isForced: Bool = false,
        courtesy: Courtesy = .none
    ) throws -> [PreparedCase] {
        guard !cases.isEmpty else { return [] }
        let prepared = Mutex<[PreparedCase]>([])
        let preparer = CasePreparer(
            embedder: embedder, count: cases.count, batchCount: cases.count, open: { cases[$0] },
            isStored: { isForced ? false : try self.isStored($0) }, storedImages: self.storedImages,
            hasOther: self.hasPicture, patientKey: patientKey, privacy: privacy, knownImages: self.knownImages,
            recognise: self.recognise, courtesy: courtesy,
            deliver: { _, batch, _ in prepared.withLock { $0 = batch } })
        try preparer.run(threads: threads)
        return prepared.withLock { $0 }
    }

    /// Whether a case of the same id with the same images and report is stored.
    func isStored(_ prepared: PreparedCase) throws -> Bool {
        try store.environment.read { transaction in
            guard let number = try store.number(transaction, of: prepared.input.id),
                let entry = try store.entry(transaction, number)
            else { return false }
            return try hasContent(of: prepared, transaction, number, entry)
        }
    }

    /// The images of the stored case `id` and their vectors; nil when there is none.
    func storedImages(id: String) throws -> StoredImages? {
        let serving = self.serving
        guard let dimension = serving.dimension else { return nil }
        return try store.environment.read { transaction in
            guard let number = try store.number(transaction, of: id),
                let entry = try store.entry(transaction, number)
            else { return nil }
            guard entry.missingImageCount(in: serving.generation) == 0 else {
                throw ArchiveError(.stale, "\(id): an image could not be encoded again, so send the images anew")
            }
            let vectors = try entry.items(.image, of: number).compactMap { item in
                try store.vector(transaction, .image, serving.key(item), dimension: dimension)
            }
            guard vectors.count == entry.images.count else {
                throw store.damaged("a vector of case \(number) is missing")
            }
            return StoredImages(images: entry.images, vectors: vectors)
        }
    }

    /// Whether another case than `id` has the picture with this digest. O(cases), and rarely asked.
    func hasPicture(_ digest: [UInt8], besides id: String) throws -> Bool {
        try store.environment.read { transaction in
            var isFound = false
            let own = try store.number(transaction, of: id)
            try store.forEachCase(transaction) { number, entry in
                if number != own, entry.images.contains(where: { $0.digest == digest }) { isFound = true }
            }
            return isFound
        }
    }

    /// Whether the stored case `number` has the same images and report.
    func hasContent(
        of prepared: PreparedCase, _ transaction: borrowing some (Transaction & ~Copyable), _ number: UInt32,
        _ entry: CaseEntry
    ) throws -> Bool {
        let report = prepared.input.report
        guard entry.images.map(\.digest) == prepared.images.map(\.digest), entry.hasReport == (report != nil)
        else { return false }
        return try report == nil || store.report(transaction, number) == report
    }
}

/// `body` of every element on `threads` threads; the results in the elements' order.
func parallelMap<Element: Sendable, Result: Sendable>(
    _ elements: [Element], threads: Int, _ body: @Sendable (Element) -> Result
) -> [Result] {
    let results = Mutex([Result?](repeating: nil, count: elements.count))
    parallelFor(elements.count, threads: threads) { index in
        let result = body(elements[index])
        results.withLock { $0[index] = result }
    }
    return results.withLock { $0.compactMap { $0 } }
}
