import HilumCore
import HilumPrivacy

/// Brings vectors into an archive that were made elsewhere: by another encoder, or by `hilum embed` on other machines.
///
///     ImportPlan: files, seals, lines, rows by case ──► ImportedCaseMaker: join with what is stored ──► one transaction a batch ──► links
///                                               └─ into a generation beside ──► ImportedVectors: by number, where a model would encode
///
/// A vector that is stored already is not written again. So a run that was killed is continued by calling it again.
/// Thread rule: one run at a time.
public struct VectorImporter {
    /// What a stored case that was imported has as its source.
    public static let source = ImportedCaseMaker.source

    let archive: Archive
    /// Of rows whose line names no kind.
    public var kind = VectorKind.image
    /// Threads that read and link.
    public var jobs = defaultThreadCount
    /// Whether progress is not shown.
    public var isQuiet = false
    /// Whether the archive is to hold some parts of a set only, so that the others are not missed.
    public var isShard = false
    /// By which keys lines prove that they were exported from archives with the same privacy settings: nothing is masked, hidden or shifted
    /// twice then, pictures are not looked at again, and a line without such a proof is refused. Empty: all lines are taken as new.
    public var proofs: [LineProof] = []
    /// Whether cases that were deleted are taken in again.
    public var again = false
    /// Ends the run after the batch that is under way.
    public var interrupt: AtomicFlag?
    /// Cases of a transaction. Nothing is acknowledged before the run ends, so it may be large.
    var batchCount = 1024

    /// Imports into `archive`, which is open for writing.
    public init(archive: Archive) { self.archive = archive }

    /// Stores vectors in the generation that is searched, and the cases that they are of.
    ///
    /// - Parameter replaces: whether they may change cases that were not imported.
    /// - Throws: why the only source cannot be used; `.readOnly`, `.notReady`, `.io`.
    public func run(_ sources: [VectorSource], replaces: Bool = false) throws -> IndexSummary {
        let started = monotonicSeconds()
        guard archive.mode == .readWrite else {
            throw ArchiveError(.readOnly, "\(archive.path): the archive is open for reading only")
        }
        let serving = archive.serving
        guard let dimension = serving.dimension, let model = serving.modelID else {
            throw ArchiveError(
                .notReady, "\(archive.path): the archive has no model and no space yet; make it anew by 'hilum init'")
        }
        let plan = try ImportPlan(sources, kind: kind, threads: jobs, isShard: isShard) { file, named in
            try check(file, named, model: model, dimension: dimension)
        }
        var summary = self.summary(of: plan)
        if !plan.namesModels, ImportedSpace.name(ofModel: model) == nil {
            summary.notes.append(
                "the files do not say which model made their vectors; they are taken for those of the archive's own")
        }
        try withArchiveErrors {
            let maker = ImportedCaseMaker(
                archive: archive, plan: plan, replaces: replaces, proofs: proofs, serving: serving,
                gate: try PictureGate(archive, isOpen: !proofs.isEmpty))
            try store(plan, maker, &summary)
        }
        summary.seconds = monotonicSeconds() - started
        summary.casesPerSecond = summary.seconds > 0 ? Double(summary.stored + summary.replaced) / summary.seconds : 0
        return summary
    }

    /// What is known before anything is stored.
    func summary(of plan: ImportPlan) -> IndexSummary {
        var summary = IndexSummary()
        summary.refused = plan.refused
        summary.passedOver = plan.passedOver
        return summary
    }

    /// Vectors of another model or dimension are not near to those that are there.
    func check(_ file: VectorFile, _ named: String?, model: String, dimension: Int) throws {
        guard file.rowCount == 0 || file.dimension == dimension else {
            throw ArchiveError(
                .badVector,
                "\(file.path): its vectors have \(file.dimension) values, and those of the archive \(dimension); "
                    + "make an archive of their own by 'hilum init --space', or a generation by '--generation next'")
        }
        guard let named, named != model else { return }
        func shown(_ id: String) -> String {
            ImportedSpace.name(ofModel: id).map { "the space \($0)" } ?? "the model \(id.prefix(12))"
        }
        // A name is the user's, so vectors of any model may be brought into a space.
        guard ImportedSpace.name(ofModel: model) == nil || ImportedSpace.name(ofModel: named) != nil else { return }
        throw ArchiveError(
            .stale,
            "\(file.path): its vectors are of \(shown(named)), and those of the archive of \(shown(model)); "
                + "vectors of two encoders cannot be compared")
    }

    // MARK: Storing

    private func store(_ plan: ImportPlan, _ maker: ImportedCaseMaker, _ summary: inout IndexSummary) throws {
        let progress = Progress(
            "import", total: plan.cases.count, unit: "cases", quiet: isQuiet || plan.cases.isEmpty)
        var (bareCount, lostPictures, hasRaised) = (0, 0, false)
        var dateFaults: [(fault: DateText.Fault, place: String)] = []
        for start in stride(from: 0, to: plan.cases.count, by: batchCount) {
            if interrupt?.isRaised == true {
                summary.isInterrupted = true
                break
            }
            let all = Array(plan.cases[start..<min(start + batchCount, plan.cases.count)])
            let deleted = again ? [] : try archive.deletedIDs(among: all.map(\.id))
            for item in all where deleted.contains(item.id) { summary.addDeleted(plan.place(of: item)) }
            let batch = all.filter { !deleted.contains($0.id) }
            let made = parallelMap(batch, threads: jobs) { maker.make($0) }
            let changed = made.filter { $0.prepared != nil }
            if !hasRaised, changed.contains(where: { $0.bareCount > 0 }) {
                try archive.raiseFormat()
                hasRaised = true
            }
            let outcomes = changed.isEmpty ? [] : try archive.commit(changed.compactMap(\.prepared), linkThreads: jobs)
            count(made, changed, outcomes, &summary)
            dateFaults += made.compactMap(\.dateFault)
            bareCount += made.reduce(0) { $0 + $1.bareCount }
            lostPictures += made.reduce(0) { $0 + $1.lostPictures }
            progress.advance(by: all.count)
        }
        if !plan.cases.isEmpty { progress.finish() }
        if bareCount > 0 {
            summary.notes.append(
                "\(bareCount) images and reports are stored by their vectors alone, without picture or text")
        }
        if lostPictures > 0 {
            summary.notes.append(
                "\(lostPictures) pictures that the lines name cannot be read; their vectors are stored")
        }
        if archive.privacySettings.dates != .drop { summary.notes += BulkIndexer.dateNotes(dateFaults) }
        summary.noteLostDates()
        follow(&summary)
        try archive.writeCheckpoint()
    }

    private func count(
        _ made: [ImportedCase], _ changed: [ImportedCase], _ outcomes: [PutOutcome], _ summary: inout IndexSummary
    ) {
        for item in made {
            summary.refused += item.refused
            if item.isUnchanged { summary.unchanged += 1 }
            if item.half == .image { summary.imageOnly += 1 }
            if item.half == .report { summary.reportOnly += 1 }
        }
        for (item, outcome) in zip(changed, outcomes) {
            switch outcome {
            case .stored: summary.stored += 1
            case .replaced: summary.replaced += 1
            case .unchanged: summary.unchanged += 1
            // A line has no files that could be those of a deleted case.
            case .deleted: continue
            case .refused(let error):
                summary.refused.append(.init(source: item.prepared?.input.id ?? "", reason: error.reason))
                continue
            }
            guard let prepared = item.prepared else { continue }
            summary.masked += prepared.maskCounts
            if prepared.hasLostDate { summary.lostDates += 1 }
            if prepared.input.report != nil, prepared.reportVector == nil { summary.reportsWithoutVector += 1 }
        }
    }

    /// Another generation, complete or kept, gets these cases too.
    private func follow(_ summary: inout IndexSummary) {
        do {
            try archive.followBeside(threads: jobs) { [interrupt] in interrupt?.isRaised == true }
        } catch {
            summary.notes.append(
                "the other generation of vectors did not get these cases: \(ArchiveError.wrapping(error))")
        }
    }
}

extension Archive {
    /// Notes that releases which know no imported vectors cannot read the archive any more.
    func raiseFormat() throws {
        writing.lock()
        defer { writing.unlock() }
        _ = try writableCounters()
        try store.environment.write { try store.raiseFormat($0, to: Store.importFormat) }
    }
}
