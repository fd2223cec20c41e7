import HilumCore
import HilumEmbedding
import LMDB

extension Store {
    /// What `meta` says of the generation that is searched.
    struct Served: Equatable, Sendable {
        var generation: UInt32
        /// Nil as long as no embedder has named the model.
        var modelID: String?
        var dimension: Int?
    }

    func served(_ transaction: borrowing some (Transaction & ~Copyable)) throws -> Served {
        guard let generation = UInt32(exactly: try integer(transaction, .generation) ?? 1),
            (1...1 << 16).contains(generation)
        else { throw damaged("the generation has an impossible number") }
        let served = Served(
            generation: generation, modelID: try text(transaction, .model),
            dimension: try integer(transaction, .dimension))
        if let dimension = served.dimension, !(1...ArchiveLimits.dimension).contains(dimension) {
            throw damaged("the dimension is \(dimension)")
        }
        return served
    }

    /// What of the vectors of a model pictures and reports share, as its embedder said; nil where it did not.
    func vectorParts(
        _ transaction: borrowing some (Transaction & ~Copyable), ofModel modelID: String?
    ) throws -> VectorParts? {
        guard let modelID else { return nil }
        return try get(transaction, .meta, Self.partsName(ofModel: modelID)) { payload in
            do { return try VectorParts(parsing: payload) } catch {
                throw damaged("the parts of vectors are malformed")
            }
        }
    }

    /// Notes what an embedder says of its vectors, for searches without it.
    func putVectorParts(_ transaction: borrowing WriteTransaction, of embedder: any Embedder) throws {
        guard let parts = embedder.vectorParts else { return }
        try put(transaction, .meta, Self.partsName(ofModel: embedder.modelID), Array(parts.json.text.utf8))
    }

    private static func partsName(ofModel modelID: String) -> String { "parts." + modelID.prefix(16) }

    func generations(_ transaction: borrowing some (Transaction & ~Copyable)) throws -> GenerationTable {
        let found = try get(transaction, .meta, GenerationTable.name) { payload in
            do { return try GenerationTable(decoding: payload) } catch {
                throw damaged("the table of generations is malformed")
            }
        }
        return found ?? GenerationTable()
    }

    /// Notes that older releases cannot read what is written now.
    func raiseFormat(_ transaction: borrowing WriteTransaction, to format: Int) throws {
        if try integer(transaction, .format) ?? 0 < format { try set(transaction, .format, format) }
    }

    func put(_ transaction: borrowing WriteTransaction, _ table: GenerationTable) throws {
        try put(transaction, .meta, GenerationTable.name, table.encoded())
    }
}
