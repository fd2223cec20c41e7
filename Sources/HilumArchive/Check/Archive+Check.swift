import Foundation
import HilumCore
import HilumIndex
import LMDB

extension Archive {
    /// Walks every page of the store at `path` and checks every checksum. It uses plain reads only and no memory map, so damage gives
    /// findings and cannot end the process. The archive must not be open in this process.
    ///
    /// - Returns: the findings; empty `findings` mean that the archive can be opened.
    static func verifyPages(_ path: String) throws -> CheckReport {
        try withArchiveErrors {
            var report = CheckReport()
            guard access(path + "/data.mdb", F_OK) == 0 else {
                throw ArchiveError(.notFound, "\(path): there is no archive here; make one with `hilum init`")
            }
            do {
                let pages = try Environment.verifyPages(
                    path: path, tableCount: Store.Name.allCases.count, visit: checkSeal)
                report.findings = pages.findings
                report.pages = pages.pageCount
            } catch let error as LMDBError {
                guard case .damaged(let what) = error.code else { throw error }
                report.find(what)
            }
            return report
        }
    }

    /// Checks the archive at `path` from the outside in: pages and checksums first, then, if those are sound, opens it for
    /// reading and checks that records, vectors and links agree. A key that is missing or another one is a finding, one that this user may
    /// not read a note; without it names that are sealed cannot be compared, so that of an archive that hides them pages alone are checked.
    /// Changes nothing, except that an archive of an older format is brought to the present one.
    public static func check(at path: String, deep: Bool) throws -> CheckReport {
        var (report, fault) = try checkBesideKey(at: path, deep: deep)
        if let fault {
            // Whoever may only search need not read it.
            if fault.isUnreadable, !fault.isInTheWay {
                report.notes.append(fault.error.reason)
            } else {
                report.findings.append(fault.error.reason)
            }
        }
        return report
    }

    /// The same, with what is wrong with the key beside it.
    static func checkBesideKey(at path: String, deep: Bool) throws -> (report: CheckReport, key: KeyFault?) {
        let pages = try verifyPages(path)
        guard pages.isClean else { return (pages, nil) }
        let fault = keyState(of: path)
        // Names that are sealed cannot be compared without it, and are not damaged.
        if let fault, fault.isInTheWay { return (pages, fault) }
        do {
            let archive = try Archive(path: path, mode: .readOnly)
            defer { archive.close() }
            return (try archive.check(deep: deep), fault)
        } catch let error as ArchiveError where error.code == .damaged {
            var report = pages
            report.find(error.reason)
            return (report, fault)
        }
    }

    private static func checkSeal(
        _ table: String, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> String? {
        Seal.isIntact(table, key, value) ? nil : "an entry has a wrong checksum"
    }

    /// Checks that records, ids, vectors, images and graphs agree; lists what does not, and changes nothing.
    ///
    /// Without `deep`: records, ids, reports, vectors (present exactly where the case says, unit length, dimension) and journal.
    /// Deep: also every page of the store, the graphs against themselves and against the vectors, and the bytes of kept images; and, as
    /// figures and not as findings, how many vectors are found by their own search, and the recall on a sample. Writes wait meanwhile.
    public func check(deep: Bool) throws -> CheckReport {
        try withArchiveErrors {
            try requireGraphs()
            writing.lock()
            defer { writing.unlock() }
            var report = CheckReport()
            report.isDeep = deep
            if deep {
                let pages = try store.environment.verifyPages(visit: Self.checkSeal)
                report.pages = pages.pageCount
                for finding in pages.findings { report.find(finding) }
                // Reading on through the map could end the process.
                guard pages.findings.isEmpty else { return report }
            }
            do {
                try loadPostings(attributes.read { Set($0.keys.keys) })
                // Now, because they cannot be read inside of the transaction below.
                if deep { for kind in VectorKind.allCases { try graphs?[kind].index.fetchResiduals() } }
                try store.environment.read { transaction in
                    guard try store.served(transaction).generation == serving.generation else {
                        throw ArchiveError(
                            .stale, "\(path): another generation is searched since this was opened; check it again")
                    }
                    let numbers = try checkRecords(transaction, &report)
                    try checkVectors(transaction, numbers, deep: deep, &report)
                    try checkGenerations(transaction, &report)
                    try checkJournal(transaction, &report)
                }
            } catch let error as ArchiveError where error.code == .damaged {
                report.find(error.reason)
            }
            if deep {
                try checkGraphs(&report)
                try checkGraphsBeside(&report)
            }
            return report
        }
    }

    /// Cases against ids, reports, kept images and the attributes in memory.
    private func checkRecords(
        _ transaction: borrowing ReadTransaction, _ report: inout CheckReport
    ) throws -> [VectorKind: ItemSet] {
        var numbers: [VectorKind: ItemSet] = [.image: ItemSet(), .report: ItemSet()]
        var withReport = ItemSet()
        var keptCounts: [[UInt8]: UInt32] = [:]
        let serving = self.serving
        var made = Attributes(generation: serving.generation)
        let next = UInt32(clamping: try store.integer(transaction, .next) ?? 0)
        try store.forEachCase(transaction) { number, entry in
            report.cases += 1
            made.insert(number, entry)
            if try store.number(transaction, of: entry.id) != number {
                report.find("case \(number): its id does not lead to it")
            }
            if number >= next { report.find("case \(number): its number is above the counter") }
            if entry.images.isEmpty && !entry.hasReport { report.find("case \(number): neither image nor report") }
            for kind in VectorKind.allCases {
                for item in entry.items(kind, of: number, in: serving.generation) { numbers[kind]?.insert(item) }
            }
            if entry.hasReport {
                withReport.insert(number)
                if try store.report(transaction, number) == nil { report.find("case \(number): its report is missing") }
            }
            for (place, image) in entry.images.enumerated() {
                if image.isKept {
                    keptCounts[image.digest, default: 0] += 1
                } else if image.hasPicture, access(image.path, R_OK) != 0 {
                    report.missingCount += 1
                    if report.missing.count < CheckReport.missingLimit {
                        let path = store.hidesNames ? "image \(place + 1)" : image.path
                        report.missing.append(.init(id: store.shownID(entry.id), path: path))
                    }
                }
            }
        }
        if report.missingCount > 0 {
            report.notes.append("\(report.missingCount) image files are no longer where they were indexed from")
        }
        let idCount = try transaction.count(store.table(.ids))
        let caseCount = report.cases
        if idCount != caseCount { report.find("\(idCount) ids for \(caseCount) cases") }
        let reportCount = try transaction.count(store.table(.reports))
        if reportCount != withReport.count { report.find("\(reportCount) reports where \(withReport.count) should be") }
        try checkWords(transaction, withReport: withReport, live: made.live, deep: report.isDeep, &report)
        for image in try checkQuarantine(transaction, &report) where image.isKept {
            keptCounts[image.digest, default: 0] += 1
        }
        try checkKeptImages(transaction, keptCounts, &report)
        // A reader beside a writer has an older snapshot in memory, which is no damage.
        if mode == .readWrite || transaction.number == openedSnapshot, !isInMemory(made) {
            report.find("cases and metadata in memory are not those on disk")
        }
        return numbers
    }

    /// Whether the attributes in memory, all of them loaded, say the same as some that were made from the cases.
    private func isInMemory(_ made: Attributes) -> Bool {
        attributes.read { memory in
            guard memory.live == made.live, memory.withImage == made.withImage, memory.withReport == made.withReport,
                memory.furtherImages == made.furtherImages, memory.withWordsAlone == made.withWordsAlone,
                memory.withFurtherImageAlone == made.withFurtherImageAlone
            else { return false }
            return Set(memory.keys.keys).union(made.keys.keys).allSatisfy { name in
                let blobs = [memory, made].map { $0.keys[name]?.merged() ?? PostingBlob([:]) }
                return blobs[0] == blobs[1] || blobs.allSatisfy { $0.count == 0 }
            }
        }
    }

    /// - Returns: the images that wait for a decision.
    private func checkQuarantine(
        _ transaction: borrowing ReadTransaction, _ report: inout CheckReport
    ) throws -> [CaseEntry.StoredImage] {
        let held = try store.quarantine(transaction).filter { $0.state == .held }
        let count = try store.heldCount(transaction)
        if held.count != count {
            report.find("\(count) images are counted in the quarantine, which holds \(held.count)")
        }
        if !held.isEmpty {
            report.notes.append("\(held.count) images wait in the quarantine; `hilum quarantine` lists them")
        }
        return held.map(\.image)
    }

    private func checkKeptImages(
        _ transaction: borrowing ReadTransaction, _ counts: [[UInt8]: UInt32], _ report: inout CheckReport
    ) throws {
        var stored: [[UInt8]: UInt32] = [:]
        try store.forEach(transaction, .images) { key, payload in
            stored[[UInt8](key)] = try store.number(payload)
            return true
        }
        if stored != counts { report.find("the counts of kept images are wrong") }
        if report.isDeep {
            let orphans = ImageStore.digests(in: path).subtracting(stored.keys.map(hexadecimal)).count
            // A process that was killed leaves them, or one that writes has them for a moment.
            if orphans > 0 {
                report.notes.append("\(orphans) files of kept images belong to no case; they do no harm")
            }
        }
        for digest in counts.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            if report.isDeep {
                do { _ = try ImageStore.read(CaseEntry.StoredImage(digest: digest, path: ""), in: path) } catch {
                    report.find("a kept image: \(error.reason)")
                }
            } else if !ImageStore.exists(digest, in: path) {
                report.find("the kept image \(hexadecimal(digest).prefix(12)) is missing")
            }
        }
    }

    private func checkVectors(
        _ transaction: borrowing ReadTransaction, _ numbers: [VectorKind: ItemSet], deep: Bool,
        _ report: inout CheckReport
    ) throws {
        let serving = self.serving
        guard let dimension = serving.dimension else {
            if report.cases > 0 { report.find("there are cases but no model") }
            return
        }
        for kind in VectorKind.allCases {
            var seen = ItemSet()
            try store.forEachVector(
                transaction, kind, generation: serving.generation, dimension: dimension
            ) { number, vector in
                report.vectors += 1
                seen.insert(number)
                if !Self.isUnit(vector) {
                    report.find("case \(number): its \(kind.rawValue) vector is not of length 1")
                }
                if deep && attributes.read({ $0.with(kind).contains(number) }), let index = graphs?[kind].index,
                    !vector.withUnsafeBufferPointer({ index.holds($0, for: number) })
                {
                    report.find("case \(number): its \(kind.rawValue) vector in memory is another")
                }
                return true
            }
            let should = numbers[kind] ?? ItemSet()
            should.subtracting(seen).forEach { report.find("case \($0): its \(kind.rawValue) vector is missing") }
            seen.subtracting(should).forEach {
                report.find("case \($0): \(kind == .image ? "an image" : "a report") vector without a case")
            }
        }
    }

    private func checkJournal(_ transaction: borrowing ReadTransaction, _ report: inout CheckReport) throws {
        try store.forEach(transaction, .journal) { key, payload in
            if (try? store.journal(key: [UInt8](key), payload)) == nil {
                report.find("a journal entry is malformed")
            }
            return true
        }
    }

    /// The graphs are sound and hold exactly the cases. What searches find of these becomes figures.
    private func checkGraphs(_ report: inout CheckReport) throws {
        guard let graphs, let dimension else { return }
        for kind in VectorKind.allCases {
            let index = graphs[kind].index
            for violation in index.validate() { report.find("\(kind.rawValue) graph: \(violation)") }
            let numbers = attributes.read { $0.with(kind) }
            if index.count != numbers.count {
                report.find("\(kind.rawValue) graph: \(index.count) items where \(numbers.count) should be")
            }
            report.graphs.append(searchFigures(index, kind, numbers.items, dimension: dimension, &report))
        }
    }

    /// Whether a search for the vector of `item` found it, or as many copies of it as it was asked for.
    private static func isFound(
        _ item: UInt32, by found: SearchResult, _ vector: UnsafeBufferPointer<Float>, in index: HNSWIndex
    ) -> Bool {
        if found.hits.contains(where: { $0.item == item }) { return true }
        // Copies share a node and its distance, and which of them comes first does not matter.
        guard let last = found.hits.last?.distance,
            let own = (try? index.exactSearch(vector, k: 1, filter: ItemSet([item])))?.hits.first?.distance
        else { return false }
        return last <= own + tieTolerance
    }

    /// Two ways to sum the same product may differ by so much.
    private static let tieTolerance: Float = 1e-6

    /// Searches for each vector by itself, and for the neighbours of a sample. A vector that is not in the graph, or that cannot be
    /// searched for, is a finding; one that is there and not found is not.
    private func searchFigures(
        _ index: HNSWIndex, _ kind: VectorKind, _ items: [UInt32], dimension: Int, _ report: inout CheckReport
    ) -> GraphFigures {
        struct Outcome {
            var finding: String?
            var isFound = false
            var neighbours = 0
            var foundNeighbours = 0
        }
        let serving = self.serving
        let sampleStride = max(1, items.count / 200)
        let outcomes = parallelMap(Array(items.enumerated()), threads: defaultThreadCount) { place, item -> Outcome in
            let key = serving.key(item)
            let stored = try? store.environment.read { try store.vector($0, kind, key, dimension: dimension) }
            guard index.contains(item: item), let vector = stored else {
                return Outcome(finding: "\(kind.rawValue) graph: case \(item) is missing")
            }
            return vector.withUnsafeBufferPointer { vector in
                guard let found = try? index.search(vector, k: 10, ef: Self.standardEf(k: 10)) else {
                    return Outcome(finding: "\(kind.rawValue) graph: case \(item) cannot be searched for")
                }
                var outcome = Outcome(isFound: Self.isFound(item, by: found, vector, in: index))
                guard place % sampleStride == 0, let exact = try? index.exactSearch(vector, k: 10),
                    let last = exact.hits.last
                else { return outcome }
                outcome.neighbours = exact.hits.count
                // Ties count as found: equal vectors are in no order.
                outcome.foundNeighbours = min(
                    found.hits.count { $0.distance <= last.distance + 1e-5 }, exact.hits.count)
                return outcome
            }
        }
        var figures = GraphFigures(kind: kind.rawValue)
        for outcome in outcomes {
            if let finding = outcome.finding {
                report.find(finding)
                continue
            }
            figures.vectors += 1
            figures.found += outcome.isFound ? 1 : 0
            figures.neighbours += outcome.neighbours
            figures.foundNeighbours += outcome.foundNeighbours
        }
        return figures
    }
}
