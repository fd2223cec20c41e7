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
        let found = try scanStored(query, kind, matching, k: k, serving, request, &visited)
        let current = try store.environment.read { try store.served($0).generation }
        if found.isEmpty, current != serving.generation {
            throw ArchiveError(
                .stale, "\(path): another generation is searched since this was opened; open the archive again")
        }
        return found
    }

    /// Nil where there are no codes to compare.
    private func scanned(
        _ query: [Float], _ kind: VectorKind, _ matching: ItemSet?, k: Int, _ serving: Serving,
        _ request: SearchRequest, _ visited: inout Int
    ) throws -> [Candidate]? {
        let existing = attributes.read { $0.with(kind) }
        let wanted = matching.map { existing.intersection($0) } ?? existing
        return try store.environment.read { transaction -> [Candidate]? in
            var found = StoredCandidates(query: query, kind: kind, serving: serving, snapshot: openedSnapshot)
            if wanted.count <= options.vectorsForScan {
                try compare(wanted.items, &found, request, transaction)
                visited += wanted.count
                return found.best(k)
            }
            let stored = try CheckpointFault.rethrowing {
                try Checkpoint(store: store, generation: serving.generation).head(transaction)
            }
            guard let head = stored else { return nil }
            // The pages at the top are waited for, which would take long behind the codes.
            try transaction.announceRoots(of: [store.table(.vectors(kind)), store.table(.cases)])
            let vectorWay = try transaction.branches(of: store.table(.vectors(kind)))
            let caseWay = try transaction.branches(of: store.table(.cases))
            let readers = try CheckpointFault.rethrowing {
                try StoredGraph.scanReaders(store, transaction, head, kind, generation: serving.generation)
            }
            guard let readers else { return nil }
            transaction.announce(vectorWay)
            transaction.announce(caseWay)
            var count = k + max(k, Self.spareCount)
            while true {
                var question = StoredGraph.Question(
                    query, count: count, itemLimit: k, items: matching, existing: existing)
                question.deadline = request.deadline ?? .infinity
                let scan = try CheckpointFault.rethrowing {
                    try StoredGraph.scan(store, transaction, head, kind, readers, metric: .cosine, question) { nodes in
                        try announce(nodes, k, found, transaction, vectorWay, caseWay)
                    }
                }
                visited += scan.comparedCount
                try announce(scan.nodes, k, found, transaction, vectorWay, caseWay)
                let isCertain = try compare(scan.nodes, k, &found, request, transaction)
                // Cases that are newer than the checkpoint, and images that could not be read before it.
                let fresh = wanted.subtracting(scan.known)
                try compare(fresh.items, &found, request, transaction)
                visited += fresh.count
                // More are looked at where many of the nearest were deleted since the archive was opened, or codes cannot tell.
                let isEnough = found.all.count >= k && (isCertain || count > Self.mostCount)
                guard !isEnough, scan.nodes.count == count else { return found.best(k) }
                count *= 4
                found.all = []
            }
        }
    }

    /// What stored vectors say of items.
    private struct StoredCandidates {
        let query: [Float]
        let kind: VectorKind
        let serving: Serving
        /// The commit that the archive was opened at.
        let snapshot: UInt64
        var all: [Candidate] = []

        mutating func add(_ items: some Sequence<UInt32>, _ vector: [Float]) {
            let score = Archive.cosine(query, vector)
            all += items.map { Candidate(number: $0, item: $0, score: score, via: kind) }
        }

        func best(_ k: Int) -> [Candidate] {
            Array(all.sorted { ($1.score, $0.item) < ($0.score, $1.item) }.prefix(k))
        }

        /// The score of the last of the `k` best; nil if there are fewer.
        func leastScore(ofBest k: Int) -> Float? { all.count < k ? nil : best(k).last?.score }
    }

    /// Adds the items of nodes, the nearest by their codes first, until none of the others can be among the `k` best as far as codes erred
    /// so far. A few decide in most archives; where vectors lie so close together that codes cannot tell them apart, many must be read.
    ///
    /// - Parameter nodes: the vectors of the first were announced.
    /// - Returns: whether that came before the last node.
    private func compare(
        _ nodes: [CheckpointScan.Node], _ k: Int, _ found: inout StoredCandidates, _ request: SearchRequest,
        _ transaction: borrowing ReadTransaction
    ) throws -> Bool {
        var largestError: Float = 0
        var place = 0
        while place < nodes.count {
            let part = nodes[place..<min(max(2 * place, Self.firstCount(k)), nodes.count)]
            if place > 0 {
                try checkTime(request)
                try announce(part.map { $0.items[0] }, found, transaction)
            }
            for node in part {
                guard let score = try add(node, &found, transaction) else { continue }
                largestError = max(largestError, abs(score - (1 - node.distance)))
            }
            place = part.endIndex
            guard place < nodes.count, let least = found.leastScore(ofBest: k) else { continue }
            if 1 - nodes[place].distance + largestError < least { return true }
        }
        return false
    }

    /// Adds the items of a node, which have one vector; those that were deleted since the archive was opened are left out.
    ///
    /// - Returns: its score; nil if all of them were deleted.
    private func add(
        _ node: CheckpointScan.Node, _ found: inout StoredCandidates, _ transaction: borrowing ReadTransaction
    ) throws -> Float? {
        for (place, item) in node.items.enumerated() {
            if let vector = try vector(of: item, found, transaction) {
                found.add(node.items[place...], vector)
                return found.all.last?.score
            }
        }
        return nil
    }

    /// Adds items by their own vectors.
    private func compare(
        _ items: [UInt32], _ found: inout StoredCandidates, _ request: SearchRequest,
        _ transaction: borrowing ReadTransaction
    ) throws {
        for start in stride(from: 0, to: items.count, by: Self.announcedCount) {
            try checkTime(request)
            let part = items[start..<min(start + Self.announcedCount, items.count)]
            try announce(Array(part), found, transaction)
            for item in part {
                if let vector = try vector(of: item, found, transaction) { found.add([item], vector) }
            }
        }
    }

    /// Nil for an item that was deleted since the archive was opened.
    ///
    /// - Throws: `.damaged` where nothing was written since.
    private func vector(
        of item: UInt32, _ found: StoredCandidates, _ transaction: borrowing ReadTransaction
    ) throws -> [Float]? {
        let vector = try store.vector(
            transaction, found.kind, found.serving.key(item), dimension: found.query.count)
        if vector == nil, transaction.number == found.snapshot {
            throw store.damaged("the \(found.kind.rawValue) vector of case \(item) is missing")
        }
        return vector
    }

    private func announce(
        _ items: [UInt32], _ found: StoredCandidates, _ transaction: borrowing ReadTransaction,
        knowing way: ReadTransaction.BranchPages? = nil
    ) throws {
        let keys = items.map { found.serving.key($0).number(part: 0) }
        try transaction.announce(store.table(.vectors(found.kind)), keys, knowing: way)
    }

    /// Asks the disk for what will be read of the nearest nodes: vectors, and the records of those that are nearly all of the hits. What was
    /// asked for before is in memory or on its way.
    private func announce(
        _ nodes: [CheckpointScan.Node], _ k: Int, _ found: StoredCandidates, _ transaction: borrowing ReadTransaction,
        _ vectorWay: ReadTransaction.BranchPages, _ caseWay: ReadTransaction.BranchPages
    ) throws {
        let first = nodes.prefix(Self.firstCount(k)).map { $0.items[0] }
        try announce(first, found, transaction, knowing: vectorWay)
        let numbers = first.prefix(k).map { UInt64($0) }
        try transaction.announce(store.table(.cases), numbers, knowing: caseWay)
    }

    /// So many vectors are read before it is asked whether they decide. Each is a page of the disk.
    private static func firstCount(_ k: Int) -> Int { k + max(k, 10) }
    /// A scan keeps so many more nodes than are wanted.
    private static let spareCount = 128
    /// With more nodes than these, what was found is given, certain or not.
    private static let mostCount = 2_048
    private static let announcedCount = 1_024

    /// How large the graphs are, or would be in memory.
    func graphSizes() throws -> (images: GraphSize, reports: GraphSize)? {
        if let graphs { return (graphs.image.size, graphs.report.size) }
        guard !options.keepsGraphs, let dimension = serving.dimension else { return nil }
        // The archive that lent this reads its graphs just now.
        guard ownsStore else { return try storedSizes(dimension) }
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
                let stored = try CheckpointFault.rethrowing {
                    try Checkpoint(store: store, generation: generation).head(transaction)
                }
                guard let head = stored else { return nil }
                func size(_ kind: VectorKind, _ transaction: borrowing ReadTransaction) throws -> GraphSize {
                    try CheckpointFault.rethrowing {
                        try StoredGraph.size(
                            store, transaction, head, kind, generation: generation, dimension: dimension)
                    } ?? GraphSize()
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
