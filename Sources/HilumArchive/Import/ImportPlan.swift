import HilumCore

/// The vectors that an import brings, by case: which rows of which files, and what their lines say.
///
///     files ──► seals: whole? ──► lines, a row each ──► rows by id ──► what stands twice ──► cases
///
/// No vector is kept in memory; they are read when a case is stored.
/// Thread rule: immutable once it is made.
struct ImportPlan: Sendable {
    /// A vector of a case.
    struct Row: Sendable {
        /// The place of its file in `files`.
        let file: Int
        /// The row in that file, from 0.
        let row: Int
        let kind: VectorKind
        /// Of an image among those of its case, from 0; 0 for a report.
        var place: Int
        /// In the file of ids, from 1.
        let line: Int
        let more: VectorRow.LineFields?
    }

    /// What is brought of one case.
    struct Case: Sendable {
        let id: String
        var rows: [Row] = []
        /// Where it stands among all; nil where its lines do not say it.
        var order: Int?
        /// What a line says of it beside which no vector stands.
        var bare: BareLine?
    }

    /// A line of a case that no vector stands for.
    struct BareLine: Sendable {
        /// `file:line`.
        let place: String
        let more: VectorRow.LineFields?
    }

    private(set) var cases: [Case] = []
    private(set) var files: [VectorFile] = []
    /// By file: the file of ids.
    private(set) var lineFiles: [String] = []
    /// Files and rows that cannot be used.
    private(set) var refused: [IndexSummary.Refusal] = []
    private(set) var passedOver = PassedOver()
    /// The ids of the models that the seals name.
    private(set) var models: Set<String> = []
    /// Whether every file names its model.
    private(set) var namesModels = true

    private var placeOfID: [String: Int] = [:]
    /// By folder: how many lines without a vector were written there, as its seals say, and how many are there.
    private var bareLines: [String: (wanted: Int, found: Int)] = [:]
    private var parts: [Parts] = []

    /// The parts of one set that are there.
    private struct Parts {
        let count: Int
        let model: String
        var present: Set<Int>
    }

    /// Values of a vector.
    var dimension: Int { files.first?.dimension ?? 0 }

    /// Reads the lines of all sources, and checks what is sealed.
    ///
    /// - Parameters:
    ///   - kind: of rows whose line names none.
    ///   - isShard: whether parts that are not named are not missed.
    ///   - check: refuses a file by its dimension and its model, by throwing.
    /// - Throws: why the only source, or each of them, cannot be used.
    init(
        _ sources: [VectorSource], kind: VectorKind, threads: Int, isShard: Bool = false,
        check: (_ file: VectorFile, _ model: String?) throws -> Void
    ) throws {
        var first: ArchiveError?
        for source in sources {
            do { try add(source, kind, threads, check) } catch {
                let error = ArchiveError.wrapping(error)
                first = first ?? error
                refused.append(
                    .init(source: source.isBare ? source.lines : source.vectors, reason: error.reason))
            }
        }
        for (folder, count) in bareLines.sorted(by: { $0.key < $1.key }) where count.wanted != count.found {
            let reason =
                "\(count.wanted) cases without a vector were exported, and \(count.found) are here; export again"
            refused.append(.init(source: "\(folder)/\(VectorSource.bareName)", reason: reason))
        }
        if files.isEmpty, cases.isEmpty { throw first ?? ArchiveError(.badRequest, "there is nothing to import") }
        for set in parts where set.present.count < set.count && !isShard {
            for part in 1...set.count where !set.present.contains(part) {
                refused.append(
                    .init(
                        source: "part \(part)/\(set.count)",
                        reason:
                            "the part is not among the files; where the archive has it, name --shard"
                    ))
            }
        }
        if cases.allSatisfy({ $0.order != nil }) {
            // Cases of several parts come in the order that they had before they were parted.
            let order = cases.indices.sorted { (cases[$0].order ?? 0, $0) < (cases[$1].order ?? 0, $1) }
            cases = order.map { cases[$0] }
        }
        placeOfID = [:]
    }

    /// Names a line in refusals.
    func place(of row: Row) -> String { "\(lineFiles[row.file]):\(row.line)" }

    /// Names a case by the first of its lines.
    func place(of item: Case) -> String { item.rows.first.map(place) ?? item.bare?.place ?? "" }

    /// The vector of a row with length 1.
    ///
    /// - Throws: `.badVector` for one that is not finite or has no direction; `.badRequest`, `.io`.
    func vector(_ row: Row) throws(ArchiveError) -> [Float] {
        let vector = try files[row.file].row(row.row)
        guard vector.allSatisfy(\.isFinite) else {
            throw ArchiveError(.badVector, "row \(row.row) holds NaN or infinity, so it is no vector")
        }
        guard let unit = unitVector(vector) else {
            throw ArchiveError(.badVector, "row \(row.row) is zero, so it has no direction")
        }
        return unit
    }

    // MARK: Reading a source

    private mutating func add(
        _ source: VectorSource, _ kind: VectorKind, _ threads: Int,
        _ check: (VectorFile, String?) throws -> Void
    ) throws {
        if source.isBare { return try addBare(source, threads) }
        let file = try VectorFile(path: source.vectors)
        let folder = FilePath.folder(of: SourceScanner.realPath(source.lines) ?? source.lines)
        let form = VectorRow.Form(kind: source.kind ?? kind, folder: folder, isClip: source.isClip)
        let lines = try VectorLines(path: source.lines, form: form, threads: threads)
        if let seal = lines.seal {
            note(seal)
            try seal.check(file)
            if let folder = source.folder, let count = seal.bareCount {
                bareLines[folder, default: (0, 0)].wanted += count
            }
        }
        guard lines.rows.count == file.rowCount else {
            throw ArchiveError(
                .badRequest,
                "\(source.lines): \(lines.rows.count) lines for the \(file.rowCount) rows of \(source.vectors); line i names row i"
            )
        }
        if file.rowCount > 0, let other = files.first(where: { $0.rowCount > 0 }), other.dimension != file.dimension {
            throw ArchiveError(
                .badVector,
                "\(file.path): its vectors have \(file.dimension) values, those of \(other.path) \(other.dimension)")
        }
        try check(file, lines.seal?.model)
        if let model = lines.seal?.model { models.insert(model) } else { namesModels = false }
        files.append(file)
        lineFiles.append(source.lines)
        for (row, line) in lines.rows.enumerated() {
            switch line {
            case .success(let line): add(line, row: row)
            case .failure(let fault):
                refused.append(.init(source: "\(source.lines):\(lines.lines[row])", reason: fault.reason))
            }
        }
    }

    private mutating func addBare(_ source: VectorSource, _ threads: Int) throws {
        let path = source.lines
        let lines = try VectorLines(path: path, form: .init(kind: .report, folder: ""), threads: threads)
        // Without a seal somebody else wrote the folder, and no count is known.
        if let folder = source.folder, lines.seal != nil {
            bareLines[folder, default: (0, 0)].found += lines.rows.count
        }
        for (row, line) in lines.rows.enumerated() {
            let place = "\(path):\(lines.lines[row])"
            switch line {
            case .success(let line):
                let index = self.index(of: line.id)
                cases[index].bare = BareLine(place: place, more: line.more)
                if let order = line.order { cases[index].order = min(order, cases[index].order ?? order) }
            case .failure(let fault): refused.append(.init(source: place, reason: fault.reason))
            }
        }
    }

    /// The place of a case, which is new where it was not named before.
    private mutating func index(of id: String) -> Int {
        let index = placeOfID[id] ?? cases.count
        if index == cases.count {
            placeOfID[id] = index
            cases.append(Case(id: id))
        }
        return index
    }

    private mutating func note(_ seal: VectorSeal) {
        guard seal.partCount > 1 else { return }
        if let place = parts.firstIndex(where: { $0.count == seal.partCount && $0.model == seal.model }) {
            parts[place].present.insert(seal.part)
        } else {
            parts.append(Parts(count: seal.partCount, model: seal.model, present: [seal.part]))
        }
    }

    private mutating func add(_ line: VectorRow, row: Int) {
        let index = self.index(of: line.id)
        var found = Row(
            file: files.count - 1, row: row, kind: line.kind, place: line.place ?? 0, line: line.line, more: line.more)
        if line.kind == .image, line.place == nil { found.place = freePlace(of: line, in: cases[index]) }
        if line.kind == .report { found.place = 0 }
        if let order = line.order { cases[index].order = min(order, cases[index].order ?? order) }
        if let other = cases[index].rows.first(where: { $0.kind == found.kind && $0.place == found.place }) {
            return settle(found, other, of: line.id)
        }
        cases[index].rows.append(found)
    }

    /// Where an image without a number goes: rows that name different pictures are different images.
    private func freePlace(of line: VectorRow, in item: Case) -> Int {
        guard let picture = line.more?.said.imagePaths.first else { return 0 }
        let images = item.rows.filter { $0.kind == .image }
        if let same = images.first(where: { $0.more?.said.imagePaths.first == picture }) { return same.place }
        return images.allSatisfy { $0.more?.said.imagePaths.first != nil } ? images.count : 0
    }

    /// A row that is there already: the same vector counts once, another one is refused.
    private mutating func settle(_ row: Row, _ other: Row, of id: String) {
        if let own = try? files[row.file].row(row.row), let first = try? files[other.file].row(other.row),
            own.map(\.bitPattern) == first.map(\.bitPattern)
        {
            return passedOver.add("a row that stands twice")
        }
        let advice = row.kind == .image ? "; number the images of a case by \"image\":0, 1 and so on" : ""
        refused.append(
            .init(
                source: place(of: row),
                reason:
                    "the \(row.kind.rawValue) of \(id) stands at \(place(of: other)) too, with another vector\(advice)")
        )
    }
}
