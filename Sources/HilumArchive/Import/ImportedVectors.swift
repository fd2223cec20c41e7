import HilumCore
import Synchronization

/// The vectors of a generation that is made from files in place of a model.
///
/// What a case has in the generation already stays; what the files lack is a gap, or is encoded where the generation has a model.
/// Thread rule: `encode` on one thread at a time; the counts after it.
final class ImportedVectors: BatchVectors {
    private let plan: ImportPlan
    /// The place of a case in the plan, by its number.
    private let placeOfNumber: [UInt32: Int]
    private let stored: @Sendable (CaseToEncode) throws -> EncodedCase
    private let fallback: (any BatchVectors)?
    private let counts = Mutex(Counts())

    /// What the files gave.
    struct Counts {
        /// Cases that got a vector.
        var stored = 0
        var refused: [IndexSummary.Refusal] = []
    }

    /// - Parameters:
    ///   - stored: what a case has in the generation already.
    ///   - fallback: encodes cases of which the files lack something; nil leaves gaps.
    init(
        _ plan: ImportPlan, placeOfNumber: [UInt32: Int],
        stored: @escaping @Sendable (CaseToEncode) throws -> EncodedCase, fallback: (any BatchVectors)?
    ) {
        self.plan = plan
        self.placeOfNumber = placeOfNumber
        self.stored = stored
        self.fallback = fallback
    }

    /// What came of all batches.
    var result: Counts { counts.withLock { $0 } }

    func encode(_ cases: [CaseToEncode]) throws -> [EncodedCase]? {
        var encoded: [EncodedCase] = []
        var open: [Int] = []
        for item in cases {
            var found = try stored(item)
            let hasNew = fill(&found, item)
            if hasNew { counts.withLock { $0.stored += 1 } }
            if found.images.contains(where: { $0 == nil }) || item.entry.hasReport && found.report == nil {
                open.append(encoded.count)
            }
            // A report without known words has no vector in any generation.
            found.isReportMissing = item.entry.hasReportVector && found.report == nil
            encoded.append(found)
        }
        guard let fallback, !open.isEmpty else { return encoded }
        guard let made = try fallback.encode(open.map { cases[$0] }) else { return nil }
        for (place, made) in zip(open, made) {
            for image in encoded[place].images.indices where encoded[place].images[image] == nil {
                encoded[place].images[image] = made.images[image]
            }
            guard encoded[place].report == nil else { continue }
            encoded[place].report = made.report
            encoded[place].isReportMissing = made.isReportMissing
        }
        return encoded
    }

    /// Takes what the files bring of a case; returns whether there was something new.
    private func fill(_ found: inout EncodedCase, _ item: CaseToEncode) -> Bool {
        guard let place = placeOfNumber[item.number] else { return false }
        var hasNew = false
        for row in plan.cases[place].rows {
            do throws(ArchiveError) {
                try Self.checkPlace(row, item.entry)
                switch row.kind {
                case .image where found.images[row.place] == nil: found.images[row.place] = try plan.vector(row)
                case .report where found.report == nil: found.report = try plan.vector(row)
                default: continue
                }
                hasNew = true
            } catch {
                counts.withLock { $0.refused.append(.init(source: plan.place(of: row), reason: error.reason)) }
            }
        }
        return hasNew
    }

    /// Refuses a vector of an image or a report that the case does not have.
    static func checkPlace(_ row: ImportPlan.Row, _ entry: CaseEntry) throws(ArchiveError) {
        if row.kind == .report, !entry.hasReport {
            throw ArchiveError(.badRequest, "the stored case \(entry.id) has no report")
        }
        guard row.kind == .image, row.place >= entry.images.count else { return }
        throw ArchiveError(
            .badRequest,
            "the stored case \(entry.id) has \(entry.images.count) images, so none of the number \(row.place)")
    }
}
