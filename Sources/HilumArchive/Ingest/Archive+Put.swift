import Foundation
import HilumCore
import HilumImaging
import LMDB
import Synchronization

/// A case on its way into the store: checked, read and embedded.
struct PreparedCase: Sendable {
    var input: CaseInput
    var refusal: ArchiveError?
    var images: [CaseEntry.StoredImage] = []
    /// By image: the bytes to keep, when it came as bytes.
    var keptBytes: [[UInt8]?] = []
    /// By image; nil while it was not made.
    var imageVectors: [[Float]?] = []
    var reportVector: [Float]?
    /// The stored version with the same image and report: its vectors are good, so none were made.
    var sameAs: UInt32?
    var journal: JournalEntry?

    init(_ input: CaseInput) { self.input = input }
}

extension Archive {
    /// Stores cases; those with an id that is there already replace it. What is reported as stored is on disk.
    ///
    /// Reading, decoding and encoding run on `threads` threads, outside of the transactions (one for each 64 cases). A case
    /// that cannot be read is refused by itself.
    /// - Returns: one outcome for each input, in order.
    /// - Throws: `.readOnly`, `.notReady` without an embedder, `.io`; then the cases of earlier transactions are stored.
    @discardableResult
    public func put(_ inputs: [CaseInput], threads: Int = defaultThreadCount) throws -> [PutOutcome] {
        try checkWritable()
        var outcomes: [PutOutcome] = []
        for start in stride(from: 0, to: inputs.count, by: ArchiveLimits.batchCount) {
            let batch = Array(inputs[start..<min(start + ArchiveLimits.batchCount, inputs.count)])
            let prepared = try prepare(batch.map(PreparedCase.init), threads: threads)
            outcomes += try commit(prepared, threads: threads)
        }
        return outcomes
    }

    func checkWritable() throws(ArchiveError) {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        guard embedder != nil, dimension != nil else {
            throw ArchiveError(
                .notReady, "\(path): no model is loaded, so nothing can be encoded; give one with --model")
        }
    }

    /// Reads, decodes and embeds; what fails becomes a refusal of its case.
    ///
    /// - Parameter isForced: embeds also what seems to be stored already.
    func prepare(_ cases: [PreparedCase], threads: Int, isForced: Bool = false) throws -> [PreparedCase] {
        guard !cases.isEmpty else { return [] }
        let prepared = Mutex<[PreparedCase]>([])
        let preparer = try CasePreparer(
            self, count: cases.count, batchCount: cases.count, isForced: isForced, open: { cases[$0] },
            deliver: { _, batch, _ in prepared.withLock { $0 = batch } })
        try preparer.run(threads: threads)
        return prepared.withLock { $0 }
    }

    /// `vector` with length 1; nil when it has no direction. A vector that is a unit vector already stays bit for bit.
    static func normalised(_ vector: [Float]) -> [Float]? {
        var square = 0.0
        for value in vector { square += Double(value) * Double(value) }
        guard square.isFinite, square > 1e-30 else { return nil }
        if abs(square - 1) < 1e-5 { return vector }
        let scale = 1 / square.squareRoot()
        return vector.map { Float(Double($0) * scale) }
    }

    /// Checks the case, reads its images, and decodes them unless the same are stored.
    ///
    /// - Parameter side: of the square that an image is fitted into; nil leaves it as large as it is.
    func load(_ given: PreparedCase, side: Int?, isForced: Bool) -> (PreparedCase, [GrayImage]) {
        var prepared = given
        guard prepared.refusal == nil else { return (prepared, []) }
        do {
            try prepared.input.settle()
            var files: [[UInt8]] = []
            for image in prepared.input.images {
                switch image.source {
                case .bytes(let bytes):
                    files.append(bytes)
                    prepared.keptBytes.append(bytes)
                    prepared.images.append(
                        CaseEntry.StoredImage(digest: ImageStore.digest(bytes), path: "", view: image.view))
                case .file(let path):
                    let bytes = try Self.readImage(path)
                    files.append(bytes)
                    prepared.keptBytes.append(nil)
                    prepared.images.append(
                        CaseEntry.StoredImage(digest: ImageStore.digest(bytes), path: path, view: image.view))
                }
            }
            prepared.input.images = []
            prepared.imageVectors = [[Float]?](repeating: nil, count: files.count)
            prepared.sameAs = isForced ? nil : try stored(like: prepared)
            guard prepared.sameAs == nil else { return (prepared, []) }
            do {
                return (prepared, try files.map { try Self.decode($0, side: side) })
            } catch {
                throw ArchiveError(.badImage, "\(prepared.input.id): \(error)")
            }
        } catch {
            prepared.refusal = ArchiveError.wrapping(error)
            return (prepared, [])
        }
    }

    private static func decode(_ bytes: [UInt8], side: Int?) throws -> GrayImage {
        guard let side else { return try ImageDecoder.decode(bytes) }
        return try ImageDecoder.decode(bytes, fitting: side)
    }

    private static func readImage(_ file: String) throws(ArchiveError) -> [UInt8] {
        do { return try FileIO.read(file, limitInBytes: ArchiveLimits.imageByteCount) } catch {
            throw ArchiveError(.badImage, error.description)
        }
    }

    /// The stored version of the case when images and report are the same.
    private func stored(like prepared: PreparedCase) throws -> UInt32? {
        try store.environment.read { transaction in
            guard let number = try store.number(transaction, of: prepared.input.id),
                let entry = try store.entry(transaction, number),
                entry.images.map(\.digest) == prepared.images.map(\.digest),
                entry.hasReport == (prepared.input.report != nil)
            else { return nil }
            guard entry.hasReport else { return number }
            return try store.report(transaction, number) == prepared.input.report ? number : nil
        }
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
