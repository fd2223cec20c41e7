import Foundation
import HilumCore
import HilumImaging
import HilumEmbedding

/// Reads, decodes, fits and embeds cases on several threads, and hands them on in batches, in order.
///
///     thread ──► enough images wait for a pass? ── yes ──► embed them
///                        │ no
///                        └──► read the next case, decode its image, fit it to the model's size ──► it waits
///
/// Each thread takes whatever comes next, so no core idles while there is work, and an image is large only while one thread
/// decodes it. Which images share a pass depends on chance, but not their vectors (see `Embedder`). Memory is bounded: few
/// images wait (as many as a pass takes, and one a thread), and no case is begun more than `window` batches ahead of the
/// last one that is done with.
/// Thread rule: `run` once; `hasWritten` and `stop` from any thread.
final class CasePreparer: @unchecked Sendable {
    // Sendable: constants, and `state`, which is read and written under `condition` alone.
    private enum Work {
        case load(Int)
        case images([(index: Int, place: Int, image: GrayImage)])
        case reports([(index: Int, report: String)])
    }

    private struct Batch {
        var cases: [PreparedCase?]
        /// Vectors and cases that are still to come.
        var left: Int
    }

    private struct State {
        var next = 0
        /// No case from here on is begun.
        var end: Int
        /// Cases that are being read, of which images and reports may come.
        var loading = 0
        var images: [(index: Int, place: Int, image: GrayImage)] = []
        var reports: [(index: Int, report: String)] = []
        /// The batches that were begun and not handed on yet, by number.
        var batches: [Int: Batch] = [:]
        var delivered = 0
        var written = 0
        var failure: (any Error)?
    }

    /// Batches that may be under way: one is written, one waits for its last vectors, one is begun.
    private static let window = 3
    private static let reportsPerPass = 4

    private let embedder: any Embedder
    private let loader: CaseLoader
    private let count: Int
    private let batchCount: Int
    private let open: @Sendable (Int) -> PreparedCase
    private let isInterrupted: @Sendable () -> Bool
    private let courtesy: Courtesy
    private let deliver: @Sendable (Range<Int>, [PreparedCase], CasePreparer) -> Void
    private let condition = NSCondition()
    private var state: State

    /// - Parameters:
    ///   - count: of cases.
    ///   - batchCount: cases of a batch.
    ///   - open: makes a case by its number; called once for each, by any thread.
    ///   - isStored: whether the images and the report of a case are stored already, so that it needs no vectors; called by any
    ///     thread.
    ///   - storedImages: the images of a stored case, for one that keeps them; called by any thread.
    ///   - hasOther: whether another case than that of an id has a picture, by its digest; called by any thread.
    ///   - patientKey: what a case keeps in place of a patient's number in DICOM files; nil keeps nothing.
    ///   - privacy: takes identifiers out of cases.
    ///   - knownImages: what is known of the images of a case before they are read; called by any thread.
    ///   - recognise: marks a case by what its files hold, and says whether it was deleted; called by any thread.
    ///   - isInterrupted: asked before each batch; those that were begun are finished.
    ///   - courtesy: whom the work makes room for; then passes are small.
    ///   - deliver: takes a batch, in order, and returns at once; calls `hasWritten` on another thread when it is done with.
    init(
        embedder: any Embedder, count: Int, batchCount: Int, open: @escaping @Sendable (Int) -> PreparedCase,
        isStored: @escaping @Sendable (PreparedCase) throws -> Bool,
        storedImages: @escaping @Sendable (String) throws -> StoredImages? = { _ in nil },
        hasOther: @escaping @Sendable ([UInt8], String) throws -> Bool = { _, _ in false },
        patientKey: @escaping @Sendable (String) -> String? = { _ in nil }, privacy: Deidentifier = .off,
        knownImages: @escaping @Sendable (String) throws -> KnownImages = { _ in KnownImages() },
        recognise: @escaping @Sendable (inout PreparedCase) throws -> Void = { _ in },
        isInterrupted: @escaping @Sendable () -> Bool = { false }, courtesy: Courtesy = .none,
        deliver: @escaping @Sendable (Range<Int>, [PreparedCase], CasePreparer) -> Void
    ) {
        self.embedder = embedder
        loader = CaseLoader(
            side: embedder.imageSide, isStored: isStored, storedImages: storedImages, hasOther: hasOther,
            knowsWords: { embedder.knowsWords(of: $0) }, patientKey: patientKey, privacy: privacy,
            knownImages: knownImages, recognise: recognise)
        self.count = count
        self.batchCount = batchCount
        self.open = open
        self.isInterrupted = isInterrupted
        self.courtesy = courtesy
        self.deliver = deliver
        state = State(end: count)
    }

    /// Returns when every case that was begun is handed on.
    ///
    /// - Throws: what the embedder throws, and what `stop` was given.
    func run(threads: Int) throws {
        parallelFor(max(1, threads), threads: threads) { _ in
            while let work = next() { courtesy.piece { perform(work) } }
        }
        if let failure = locked({ $0.failure }) { throw failure }
    }

    private func perform(_ work: Work) {
        switch work {
        case .load(let index): load(index)
        case .images(let items):
            embed(items.map { ($0.index, \.imageVectors[$0.place]) }) {
                try embedder.embed(images: items.map(\.image), threads: 1)
            }
        case .reports(let items):
            embed(items.map { ($0.index, \.reportVector) }) {
                try embedder.embed(reports: items.map(\.report), threads: 1)
            }
        }
    }

    /// One more batch is done with.
    func hasWritten() {
        locked { $0.written += 1 }
    }

    /// Begins no more cases and throws away what was begun.
    func stop(_ failure: any Error) {
        locked { if $0.failure == nil { $0.failure = failure } }
    }

    /// How many cases were begun: all of them unless `isInterrupted` said so between two batches.
    var begunCount: Int { locked { $0.next } }

    /// Waiting threads look again after each change.
    @discardableResult
    private func locked<Result>(_ body: (inout State) -> Result) -> Result {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return body(&state)
    }

    // MARK: What comes next

    /// Waits until there is something to do; nil when nothing will be.
    private func next() -> Work? {
        condition.lock()
        defer { condition.unlock() }
        while state.failure == nil {
            if let work = take(isLast: false) { return work }
            if state.next < state.end, state.next / batchCount < state.written + Self.window {
                if state.next % batchCount > 0 || !isInterrupted() { return begin() }
                state.end = state.next
            }
            // No case can join those that wait until these are embedded.
            if state.loading == 0 {
                if let work = take(isLast: true) { return work }
                if state.next >= state.end { break }
            }
            condition.wait()
        }
        return nil
    }

    private func take(isLast: Bool) -> Work? {
        let isHurried = courtesy.isWanted
        let imagesPerPass = isHurried ? 1 : max(1, embedder.imagesPerPass)
        let images = min(state.images.count, imagesPerPass)
        if images > 0 && (isLast || images == imagesPerPass) {
            defer { state.images.removeFirst(images) }
            return .images(Array(state.images.prefix(images)))
        }
        let reportsPerPass = isHurried ? 1 : Self.reportsPerPass
        let reports = min(state.reports.count, reportsPerPass)
        if reports > 0 && (isLast || reports == reportsPerPass) {
            defer { state.reports.removeFirst(reports) }
            return .reports(Array(state.reports.prefix(reports)))
        }
        return nil
    }

    private func begin() -> Work {
        let index = state.next
        if index % batchCount == 0 {
            let size = min(batchCount, count - index)
            state.batches[index / batchCount] = Batch(cases: [PreparedCase?](repeating: nil, count: size), left: size)
        }
        state.next += 1
        state.loading += 1
        return .load(index)
    }

    // MARK: What it comes to

    private func load(_ index: Int) {
        var (prepared, images) = loader.load(open(index))
        prepared.modelID = embedder.modelID
        let needsVector =
            prepared.refusal == nil && !prepared.isStored && !prepared.wasDeleted && !prepared.lacksReportVector
        let report = needsVector ? prepared.input.report : nil
        locked { state in
            state.loading -= 1
            state.batches[index / batchCount]?.cases[index % batchCount] = prepared
            for (place, image) in images { state.images.append((index, place, image)) }
            if let report { state.reports.append((index, report)) }
            state.batches[index / batchCount]?.left += images.count + (report == nil ? 0 : 1)
            complete(index, &state)
        }
    }

    private func embed(
        _ targets: [(index: Int, place: WritableKeyPath<PreparedCase, [Float]?>)], _ body: () throws -> [Float]
    ) {
        let vectors: [Float]
        do { vectors = try body() } catch { return stop(error) }
        locked { state in
            for (row, (index, place)) in targets.enumerated() {
                set(place, vectors, row: row, &state.batches[index / batchCount], index % batchCount)
                complete(index, &state)
            }
        }
    }

    private func set(
        _ place: WritableKeyPath<PreparedCase, [Float]?>, _ vectors: [Float], row: Int, _ batch: inout Batch?,
        _ offset: Int
    ) {
        let range = (row * embedder.dimension)..<((row + 1) * embedder.dimension)
        if vectors.count >= range.upperBound, let unit = unitVector(Array(vectors[range])) {
            batch?.cases[offset]?[keyPath: place] = unit
        } else if let id = batch?.cases[offset]?.input.id {
            batch?.cases[offset]?.refusal = ArchiveError(.badVector, "\(id): the model gave no usable vector")
        }
    }

    /// One part of case `index` is there; hands on the batches that are whole now.
    private func complete(_ index: Int, _ state: inout State) {
        state.batches[index / batchCount]?.left -= 1
        while state.failure == nil, let batch = state.batches[state.delivered], batch.left == 0 {
            state.batches[state.delivered] = nil
            let start = state.delivered * batchCount
            state.delivered += 1
            deliver(start..<(start + batch.cases.count), batch.cases.compactMap(\.self), self)
        }
    }
}
