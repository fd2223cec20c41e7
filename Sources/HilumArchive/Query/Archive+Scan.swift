import HilumCore
import HilumIndex
import LMDB

/// Searches of an archive that keeps no graphs in memory (`Options.keepsGraphs`).
///
/// ```
/// checkpoint  codes, compared as they are read ─→ the nearest vectors ─→ their stored vectors ─┐
/// since then  stored vectors of newer cases ───────────────────────────────────────────────────┴→ the k best scores
/// ```
/// All of it is read in one transaction, the head of the checkpoint too, so a checkpoint that another process writes meanwhile takes
/// nothing away.
extension Archive {
    /// The `k` nearest vectors of one kind, with the scores of stored vectors; any order.
    func scanCheckpoint(
        _ query: [Float], _ kind: VectorKind, _ matching: ItemSet?, k: Int, _ serving: Serving,
        _ request: SearchRequest, _ visited: inout Int
    ) throws -> [Candidate] {
        if !request.isExact {
            do {
                if let found = try scanned(query, kind, matching, k: k, serving, request, &visited) { return found }
            } catch let error where Opening.meansUnusable(error) {
                // What is wrong with the question is not a fault of the checkpoint.
                if let fault = error as? IndexError, !fault.isDamage { throw error }
                Log.warning("the stored codes cannot be used, so every vector is compared: \(error)")
            }
        }
        return try scanStored(query, kind, matching, k: k, serving, request, &visited)
    }

    /// Nil where there are no codes to compare.
    private func scanned(
        _ query: [Float], _ kind: VectorKind, _ matching: ItemSet?, k: Int, _ serving: Serving,
        _ request: SearchRequest, _ visited: inout Int
    ) throws -> [Candidate]? {
        let existing = attributes.read { $0.with(kind) }
        var question = StoredGraph.Question(
            query, count: k + Self.spareCount(k), itemLimit: k, items: matching, existing: existing)
        question.deadline = request.deadline ?? .infinity
        return try store.environment.read { transaction -> [Candidate]? in
            let stored = try CheckpointFault.rethrowing {
                try Checkpoint(store: store, generation: serving.generation).head(transaction)
            }
            guard let head = stored,
                let scan = try StoredGraph.scan(
                    store, transaction, head, kind, generation: serving.generation, metric: .cosine, question)
            else { return nil }
            visited += scan.comparedCount
            let fresh = existing.subtracting(scan.known)
            let wanted = scan.nodes.map { $0.items[0] } + fresh.items.prefix(Self.announcedCount)
            try transaction.announce(store.table(.vectors(kind)), wanted.map { serving.key($0).number(part: 0) })
            var found: [Candidate] = []
            func add(_ items: [UInt32], _ vector: [Float]) {
                let score = Self.cosine(query, vector)
                found += items.map { Candidate(number: $0, item: $0, score: score, via: kind) }
            }
            for node in scan.nodes {
                // One that was deleted since the archive was opened has no vector; others of its node may have.
                for (place, item) in node.items.enumerated() {
                    let key = serving.key(item)
                    guard let vector = try store.vector(transaction, kind, key, dimension: query.count) else {
                        continue
                    }
                    add(Array(node.items[place...]), vector)
                    break
                }
            }
            // Cases that are newer than the checkpoint, and images that could not be read before it.
            var count = 0
            try fresh.forEach { item in
                guard matching?.contains(item) ?? true else { return }
                let key = serving.key(item)
                guard let vector = try store.vector(transaction, kind, key, dimension: query.count) else { return }
                count += 1
                if count % 256 == 0 { try checkTime(request) }
                add([item], vector)
            }
            visited += count
            return Array(found.sorted { ($1.score, $0.item) < ($0.score, $1.item) }.prefix(k))
        }
    }

    /// So many more vectors are looked at than are wanted before the stored vectors decide, as a graph does for its residuals.
    private static func spareCount(_ k: Int) -> Int { max(k, 32) }

    private static let announcedCount = 1024

    /// How large the graphs are, or would be in memory.
    func graphSizes() throws -> (images: GraphSize, reports: GraphSize)? {
        if let graphs { return (graphs.image.size, graphs.report.size) }
        guard !options.keepsGraphs, let dimension = serving.dimension else { return nil }
        if progress.withLock({ $0.changesSinceCheckpoint }) == 0, let sizes = try storedSizes(dimension) {
            return sizes
        }
        // The checkpoint lacks something, or is not there.
        var options = options
        options.keepsGraphs = true
        let graphs = try Opening.load(store, options) { $0 }.graphs
        return graphs.map { ($0.image.size, $0.report.size) }
    }

    /// From the newest checkpoint; nil where it cannot be used.
    private func storedSizes(_ dimension: Int) throws -> (images: GraphSize, reports: GraphSize)? {
        let generation = serving.generation
        do {
            return try store.environment.read { transaction in
                guard let head = try Checkpoint(store: store, generation: generation).head(transaction) else {
                    return nil
                }
                func size(_ kind: VectorKind, _ transaction: borrowing ReadTransaction) throws -> GraphSize {
                    try StoredGraph.size(store, transaction, head, kind, generation: generation, dimension: dimension)
                        ?? GraphSize()
                }
                return (try size(.image, transaction), try size(.report, transaction))
            }
        } catch let error where Opening.meansUnusable(error) {
            return nil
        }
    }

    /// - Throws: `.badRequest` where the graphs were left on disk.
    func requireGraphs() throws(ArchiveError) {
        guard options.keepsGraphs else {
            throw ArchiveError(.badRequest, "\(path): the archive was opened without its graphs")
        }
    }
}
