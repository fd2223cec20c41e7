import HilumCore
import LMDB

/// The tables of an archive in its LMDB environment, and what they hold.
///
/// | table | key | value, after the checksum of `Seal` |
/// | --- | --- | --- |
/// | `meta` | name | text or integer: format, created, model, dimension, generation, next, deletions, edits, lineage, follows, deid, dates, held; `CheckpointHead`; `QuarantineEntry` |
/// | `cases` | number (8) | `CaseEntry` |
/// | `ids` | id, UTF-8 | number (4) |
/// | `reports` | number (8) | text, UTF-8 |
/// | `image-vectors`, `report-vectors` | `VectorKey` (8) | up to 128 floats |
/// | `graphs` | `PieceKey` (8) | a piece of a checkpoint, up to 256 KiB |
/// | `changes` | order (8) | `CaseChange` since the checkpoint |
/// | `journal` | first 16 bytes of SHA-256 of the source's name | `JournalEntry` |
/// | `images` | SHA-256 | how many cases use the kept image (4) |
/// | `words` | key of a block | a block of the words of reports (`WordTable`) |
///
/// Vectors are stored in parts of 512 bytes, of which seven fill a leaf page; a whole vector of 512 floats would leave half of an
/// overflow page of 4 KiB empty. Numbers only grow and are never used again, so new entries are appended and pages are full. A case of
/// several images takes several numbers: those after its own are the items of its further images.
package final class Store: Sendable {
    enum Name: String, CaseIterable {
        case meta, cases, ids, reports
        case imageVectors = "image-vectors"
        case reportVectors = "report-vectors"
        case graphs, journal, images, changes, words

        static func vectors(_ kind: VectorKind) -> Name { kind == .image ? .imageVectors : .reportVectors }
    }

    static let formatVersion = 2
    /// The format of an archive in which a second generation was begun; releases that know one generation refuse it.
    static let generationsFormat = 3
    /// The format of an archive that holds imported vectors: of a space without a model, or of images and reports that it does not have.
    static let importFormat = 4
    /// The newest that this release reads.
    static let newestFormat = importFormat
    static let floatsInPart = 128

    package let environment: Environment
    let path: String
    /// Whether ids and names of files are hidden on the disk (`Store+Names`).
    let hidesNames: Bool
    let key: ArchiveKey

    /// - Parameter copiesPages: as `Environment.Options.copiesPages`.
    package init(path: String, mode: Environment.Mode, mapSizeInBytes: Int, copiesPages: Bool = false) throws {
        self.path = path
        var options = Environment.Options(mode: mode)
        options.mapSizeInBytes = mapSizeInBytes
        options.copiesPages = copiesPages
        // What is read in order comes by a fetcher; of the rest nobody wants the neighbours.
        options.readsAround = false
        environment = try Environment(path: path, tables: Name.allCases.map(\.rawValue), options: options)
        key = ArchiveKey(archive: path)
        do { hidesNames = try mode == .create ? false : Self.hidesNames(environment) } catch {
            environment.close()
            throw error
        }
    }

    func table(_ name: Name) -> Table { environment.table(name.rawValue) }

    func damaged(_ what: String) -> ArchiveError {
        ArchiveError(
            .damaged, "\(path): the archive is damaged (\(what)); run `hilum check`, and restore it from a snapshot")
    }

    // MARK: Sealed values

    /// Calls `body` with the payload under `key`; nil when there is none.
    ///
    /// - Throws: `.damaged` for a wrong checksum. When there is no such key, the entries before and after are tested too: one of them
    ///   may be the wanted one with a damaged key.
    func get<Result>(
        _ transaction: borrowing some (Transaction & ~Copyable), _ name: Name, _ key: some TableKey,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        try key.withKeyBytes { bytes in
            if let value = try transaction.value(of: bytes, in: table(name)) {
                return try body(payload(name, bytes, value))
            }
            try transaction.withNeighbours(table(name), of: bytes) { _ = try payload(name, $0, $1) }
            return nil
        }
    }

    /// The payload of a value that the caller has read.
    func checkedPayload(
        _ name: Name, _ key: some TableKey, _ value: UnsafeRawBufferPointer
    ) throws -> UnsafeRawBufferPointer {
        try key.withKeyBytes { try payload(name, $0, value) }
    }

    /// Calls `body` with keys and payloads in order, beginning at `start`, until it returns false.
    func forEach(
        _ transaction: borrowing some (Transaction & ~Copyable), _ name: Name, from start: UInt64? = nil,
        _ body: (_ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try transaction.forEach(table(name), from: start) { key, value in try body(key, payload(name, key, value)) }
    }

    /// Calls `body` with keys and payloads in order, from the first at or after the bytes `start`, until it returns false. Where no key
    /// is just that, the entries before and after are tested too, as in `get`.
    func forEach(
        _ transaction: borrowing some (Transaction & ~Copyable), _ name: Name, fromKey start: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try transaction.withNeighbours(table(name), of: start) { _ = try payload(name, $0, $1) }
        try transaction.forEach(table(name), fromKey: start) { key, value in try body(key, payload(name, key, value)) }
    }

    private func payload(
        _ name: Name, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws -> UnsafeRawBufferPointer {
        guard Seal.isIntact(name.rawValue, key, value) else {
            throw damaged("an entry of the table \(name.rawValue) has a wrong checksum")
        }
        return UnsafeRawBufferPointer(rebasing: value[Seal.byteCount...])
    }

    func put(
        _ transaction: borrowing WriteTransaction, _ name: Name, _ key: some TableKey,
        _ payload: UnsafeRawBufferPointer,
        rule: WriteTransaction.PutRule = .replacing
    ) throws {
        var value = [UInt8]()
        value.reserveCapacity(Seal.byteCount + payload.count)
        let checksum = key.withKeyBytes { Seal.checksum(name.rawValue, $0, payload) }
        withUnsafeBytes(of: checksum.littleEndian) { value.append(contentsOf: $0) }
        value.append(contentsOf: payload)
        try transaction.put(table(name), key, value, rule: rule)
    }

    func put(
        _ transaction: borrowing WriteTransaction, _ name: Name, _ key: some TableKey, _ payload: [UInt8],
        rule: WriteTransaction.PutRule = .replacing
    ) throws {
        try payload.withUnsafeBytes { try put(transaction, name, key, $0, rule: rule) }
    }

    // MARK: Meta

    enum MetaKey: String {
        case format, created, model, dimension, generation, next, deletions, deid, dates, held
        /// Where it is missing, the entries around it are tested, and this name has entries around it that opening reads anyway.
        case updates = "edits"
        /// Of an archive that began a history of its own, and of a copy (`Store+History`).
        case lineage, follows
        /// By which the key is known again that hid names of stored cases (`ArchiveKey.mark`).
        case key
    }

    func text(_ transaction: borrowing some (Transaction & ~Copyable), _ key: MetaKey) throws -> String? {
        try get(transaction, .meta, key.rawValue) { String(decoding: $0, as: UTF8.self) }
    }

    func integer(_ transaction: borrowing some (Transaction & ~Copyable), _ key: MetaKey) throws -> Int? {
        guard let text = try text(transaction, key) else { return nil }
        guard let value = Int(text) else { throw damaged("the entry \(key.rawValue) is not a number") }
        return value
    }

    func set(_ transaction: borrowing WriteTransaction, _ key: MetaKey, _ text: String) throws {
        try put(transaction, .meta, key.rawValue, Array(text.utf8))
    }

    func set(_ transaction: borrowing WriteTransaction, _ key: MetaKey, _ value: Int) throws {
        try set(transaction, key, String(value))
    }

    // MARK: Cases

    func number(_ transaction: borrowing some (Transaction & ~Copyable), of id: String) throws -> UInt32? {
        // A longer id cannot have been stored, and LMDB would refuse the key.
        guard !id.isEmpty, id.utf8.count <= ArchiveLimits.idByteCount else { return nil }
        let canonical = try idKey(CaseID.canonical(id))
        if let found = try get(transaction, .ids, canonical, { payload in try number(payload) }) { return found }
        // A release that did not know the one spelling stored the id as it came.
        guard !hidesNames, !canonical.utf8.elementsEqual(id.utf8) else { return nil }
        return try get(transaction, .ids, id) { payload in try number(payload) }
    }

    func number(_ payload: UnsafeRawBufferPointer) throws -> UInt32 {
        guard payload.count == 4 else { throw damaged("an entry of the table ids is malformed") }
        // Safety: four bytes are there; no alignment is assumed.
        return UInt32(littleEndian: payload.loadUnaligned(as: UInt32.self))
    }

    func entry(_ transaction: borrowing some (Transaction & ~Copyable), _ number: UInt32) throws -> CaseEntry? {
        try get(transaction, .cases, UInt64(number)) { try decode($0, number: number) }
    }

    func decode(_ payload: UnsafeRawBufferPointer, number: UInt32) throws -> CaseEntry {
        let entry: CaseEntry
        do { entry = try CaseEntry(decoding: payload) } catch { throw damaged("case \(number) is malformed") }
        return try shown(entry)
    }

    func report(_ transaction: borrowing some (Transaction & ~Copyable), _ number: UInt32) throws -> String? {
        try get(transaction, .reports, UInt64(number)) { payload in
            guard let text = String(validating: payload, as: UTF8.self) else {
                throw damaged("report \(number) is malformed")
            }
            return text
        }
    }

    /// Calls `body` with every case from number `start` on, in the order of the numbers.
    func forEachCase(
        _ transaction: borrowing some (Transaction & ~Copyable), from start: UInt32? = nil,
        _ body: (UInt32, CaseEntry) throws -> Void
    ) throws {
        try forEach(transaction, .cases, from: start.map { UInt64($0) }) { key, payload in
            guard let key = UInt64(keyBytes: key), let number = UInt32(exactly: key), number > 0 else {
                throw damaged("a case has an impossible number")
            }
            try body(number, decode(payload, number: number))
            return true
        }
    }

    // MARK: Changes

    /// Calls `body` with the changes since the checkpoint, in their order.
    func forEachChange(
        _ transaction: borrowing some (Transaction & ~Copyable), _ body: (CaseChange) throws -> Void
    ) throws {
        try forEach(transaction, .changes) { _, payload in
            var change: CaseChange
            do { change = try CaseChange(decoding: payload) } catch { throw damaged("a change is malformed") }
            change.old = try shown(change.old)
            if let new = change.new { change.new = try shown(new) }
            try body(change)
            return true
        }
    }

    // MARK: Vectors

    /// - Parameter rule: `.appending` for the newest generation, whose items come in order.
    package func putVector(
        _ transaction: borrowing WriteTransaction, _ kind: VectorKind, _ key: VectorKey,
        _ vector: some Collection<Float>,
        rule: WriteTransaction.PutRule = .appending
    ) throws {
        let vector = Array(vector)
        for part in 0..<VectorKey.partCount(dimension: vector.count) {
            let start = part * Self.floatsInPart
            try vector[start..<min(start + Self.floatsInPart, vector.count)].withUnsafeBytes {
                try put(transaction, .vectors(kind), key.number(part: part), $0, rule: rule)
            }
        }
    }

    func deleteVector(
        _ transaction: borrowing WriteTransaction, _ kind: VectorKind, _ key: VectorKey, dimension: Int
    ) throws {
        for part in 0..<VectorKey.partCount(dimension: dimension) {
            try transaction.delete(table(.vectors(kind)), key.number(part: part))
        }
    }

    package func vector(
        _ transaction: borrowing some (Transaction & ~Copyable), _ kind: VectorKind, _ key: VectorKey, dimension: Int
    ) throws -> [Float]? {
        var vector: [Float] = []
        vector.reserveCapacity(dimension)
        let name = Name.vectors(kind)
        let first = key.number(part: 0)
        let count = VectorKey.partCount(dimension: dimension)
        let found = try transaction.run(table(name), from: first, count: count) { bytes, value in
            guard try Self.append(payload(name, bytes, value), to: &vector) else {
                throw damaged("a vector of case \(key.item) is malformed")
            }
        }
        if found < count {
            // A key that is damaged is told from one that is not there.
            let isThere = try get(transaction, name, first + UInt64(found)) { _ in true } ?? false
            if found == 0 && !isThere { return nil }
        }
        guard vector.count == dimension else { throw damaged("a vector of case \(key.item) is incomplete") }
        return vector
    }

    private static func append(_ payload: UnsafeRawBufferPointer, to vector: inout [Float]) throws -> Bool {
        guard payload.count % 4 == 0, payload.count > 0, payload.count <= 4 * floatsInPart else { return false }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: payload.count / 4) { part in
            // Safety: as many bytes as the payload has, which has no alignment.
            UnsafeMutableRawBufferPointer(part).copyMemory(from: payload)
            for place in part.indices {
                part[place] = Float(bitPattern: UInt32(littleEndian: part[place].bitPattern))
            }
            vector.append(contentsOf: part)
        }
        return true
    }

    /// Calls `body` with every vector of `kind` and `generation` from item `start` on, in the order of the items, until it returns
    /// false.
    package func forEachVector(
        _ transaction: borrowing some (Transaction & ~Copyable), _ kind: VectorKind, generation: UInt32,
        from start: UInt32 = 0, dimension: Int, _ body: (UInt32, [Float]) throws -> Bool
    ) throws {
        var vector: [Float] = []
        vector.reserveCapacity(dimension)
        var current: UInt32 = 0
        let first = VectorKey(generation: generation, item: start).number(part: 0)
        try forEach(transaction, .vectors(kind), from: first) { key, payload in
            guard let number = UInt64(keyBytes: key) else { throw damaged("a vector has an impossible key") }
            let (key, part) = VectorKey.split(number)
            guard key.generation == generation else { return false }
            if vector.isEmpty { current = key.item }
            guard key.item == current, part == vector.count / Self.floatsInPart,
                try Self.append(payload, to: &vector), vector.count <= dimension
            else { throw damaged("a vector of case \(current) is incomplete or malformed") }
            guard vector.count == dimension else { return true }
            defer { vector.removeAll(keepingCapacity: true) }
            return try body(key.item, vector)
        }
        guard vector.isEmpty else { throw damaged("a vector of case \(current) is incomplete") }
    }
}
