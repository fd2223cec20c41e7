import HilumCore
import HilumIndex
import LMDB

extension Archive {
    /// The generations that are not searched: the one beside has a vector for each image and report of the cases below its watermark,
    /// unless its gaps say otherwise, and none above; one that is being removed may have anything; others must have nothing.
    func checkGenerations(_ transaction: borrowing ReadTransaction, _ report: inout CheckReport) throws {
        let table = try store.generations(transaction)
        let served = try store.served(transaction)
        if let record = table[.serving], record.number != served.generation || record.modelID != served.modelID {
            report.find("the table of generations names another generation than the one that is searched")
        }
        if let record = table[.serving] { try checkGaps(transaction, record, &report) }
        if let record = table.beside { try checkBeside(transaction, record, &report) }
        let known = Set(table.records.map(\.number)).union([served.generation])
        for name in [Store.Name.imageVectors, .reportVectors, .graphs] {
            try checkOrphans(transaction, name, known: known, &report)
        }
    }

    /// Images that the generation which is searched lacks are said, and are as many as it believes.
    private func checkGaps(
        _ transaction: borrowing ReadTransaction, _ record: GenerationRecord, _ report: inout CheckReport
    ) throws {
        var missingCount = 0
        try store.forEachCase(transaction) { missingCount += $1.missingCount(in: record.number) }
        noteGaps(missingCount, record, &report)
    }

    private func noteGaps(_ missingCount: Int, _ record: GenerationRecord, _ report: inout CheckReport) {
        if missingCount != record.missingCount {
            report.find("generation \(record.number): \(missingCount) vectors are missing, not \(record.missingCount)")
        }
        if missingCount > 0 {
            report.notes.append("generation \(record.number) lacks \(record.missing(missingCount))")
        }
    }

    private func checkBeside(
        _ transaction: borrowing ReadTransaction, _ record: GenerationRecord, _ report: inout CheckReport
    ) throws {
        var should: [VectorKind: ItemSet] = [.image: ItemSet(), .report: ItemSet()]
        var missingCount = 0
        try store.forEachCase(transaction) { number, entry in
            guard number < record.watermark else { return }
            missingCount += entry.missingCount(in: record.number)
            for kind in VectorKind.allCases {
                for item in entry.items(kind, of: number, in: record.number) { should[kind]?.insert(item) }
            }
        }
        noteGaps(missingCount, record, &report)
        for kind in VectorKind.allCases {
            var seen = ItemSet()
            try store.forEachVector(
                transaction, kind, generation: record.number, dimension: record.dimension
            ) { item, vector in
                seen.insert(item)
                if !Self.isUnit(vector) {
                    report.find(
                        "generation \(record.number), case \(item): its \(kind.rawValue) vector is not of length 1")
                }
                return true
            }
            let wanted = should[kind] ?? ItemSet()
            wanted.subtracting(seen).forEach {
                report.find("generation \(record.number), case \($0): its \(kind.rawValue) vector is missing")
            }
            seen.subtracting(wanted).forEach {
                report.find("generation \(record.number), case \($0): a \(kind.rawValue) vector without a case")
            }
        }
    }

    /// Rows of generations that the archive does not know.
    private func checkOrphans(
        _ transaction: borrowing ReadTransaction, _ name: Store.Name, known: Set<UInt32>, _ report: inout CheckReport
    ) throws {
        var start: UInt64? = 0
        while let from = start {
            start = nil
            var found: UInt32?
            try transaction.forEach(store.table(name), from: from) { key, _ in
                found = UInt64(keyBytes: key).map { UInt32($0 >> 48) + 1 }
                return false
            }
            guard let generation = found else { return }
            if !known.contains(generation) {
                report.find(
                    "the table \(name.rawValue) has rows of generation \(generation), which the archive does not know")
            }
            if generation < 1 << 16 { start = UInt64(generation) << 48 }
        }
    }

    static func isUnit(_ vector: [Float]) -> Bool {
        var square = 0.0
        for value in vector { square += Double(value) * Double(value) }
        return abs(square - 1) < 1e-3
    }

    /// The graphs of the generation beside are sound and hold exactly its vectors.
    func checkGraphsBeside(_ report: inout CheckReport) throws {
        guard let beside = try openedBeside() else { return }
        for kind in VectorKind.allCases {
            let index = beside.graphs[kind].index
            let name = "generation \(beside.generation), \(kind.rawValue) graph"
            for violation in index.validate() { report.find("\(name): \(violation)") }
            let items = beside.attributes.with(kind)
            if index.count != items.count {
                report.find("\(name): \(index.count) items where \(items.count) should be")
            }
            items.forEach { if !index.contains(item: $0) { report.find("\(name): case \($0) is missing") } }
        }
    }

    /// The generation beside as the writer has it; a reader opens it for this.
    private func openedBeside() throws -> Beside? {
        if mode == .readWrite { return generations.withLock { $0.beside } }
        return try Self.generations(store, .readWrite, options).generations.beside
    }
}
