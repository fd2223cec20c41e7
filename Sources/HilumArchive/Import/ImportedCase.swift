import HilumCore
import HilumPrivacy

/// A stored case with its vectors in the generation that is searched.
struct StoredCase {
    var entry: CaseEntry
    var text: String?
    /// By image; nil where it has none.
    var images: [[Float]?]
    var report: [Float]?
}

/// What became of an imported case before it is stored.
struct ImportedCase: Sendable {
    /// Nil where it is stored already, or refused.
    var prepared: PreparedCase?
    var isUnchanged = false
    /// Whether it has an image and no report, or a report and no image.
    var half: VectorKind?
    /// Vectors without a picture or a text.
    var bareCount = 0
    /// Pictures that its lines name and that cannot be read.
    var lostPictures = 0
    var refused: [IndexSummary.Refusal] = []
    /// Why one of the dates that its lines say is none, and where it stands.
    var dateFault: (fault: DateText.Fault, place: String)?
}

/// Makes cases of imported vectors: what the lines say, joined with what is stored of the case.
///
/// Thread rule: immutable; any number of threads.
struct ImportedCaseMaker: Sendable {
    let archive: Archive
    let plan: ImportPlan
    let replaces: Bool
    /// As `VectorImporter.proofs`.
    let proofs: [LineProof]
    let serving: Serving
    /// Looks at pictures.
    let gate: PictureGate

    /// What the archive notes as the source of an imported case. It names no file, so that vectors of one case may come in several.
    static let source = "import"

    /// A row with its vector, and its picture where its line names one that can be read.
    private struct Given {
        var row: ImportPlan.Row
        var vector: [Float]
        var picture: PictureGate.Picture?
    }

    /// The parts of a case once stored and imported ones are joined.
    private struct Joined {
        var images: [CaseEntry.StoredImage] = []
        var imageVectors: [[Float]] = []
        var reportVector: [Float]?
        var text: String?
        var fields = CaseFields()
        var masks = MaskCounts()
        var dateFault: DateText.Fault?
        var hasLostDate = false
    }

    func make(_ item: ImportPlan.Case) -> ImportedCase {
        var made = ImportedCase()
        var given: [Given] = []
        for row in item.rows {
            do { given.append(Given(row: row, vector: try plan.vector(row))) } catch {
                made.refused.append(.init(source: plan.place(of: row), reason: error.reason))
            }
        }
        // A case that has lost all its rows is refused by these.
        guard let place = given.first.map({ plan.place(of: $0.row) }) ?? (item.rows.isEmpty ? item.bare?.place : nil)
        else { return made }
        do {
            let stored = try archive.storedCase(item.id)
            if let entry = stored?.entry, entry.source != Self.source, !replaces {
                throw ArchiveError(.exists, Archive.foreignReason(entry, verb: "import"))
            }
            given = look(at: given, of: item.id, stored, &made)
            guard !given.isEmpty || item.rows.isEmpty else { return made }
            let joined = try join(item, given, stored)
            made.dateFault = joined.dateFault.map { ($0, place) }
            let isTextKnown = joined.text?.isEmpty == false
            made.half = joined.images.isEmpty ? .report : joined.text == nil ? .image : nil
            made.bareCount =
                joined.images.count { !$0.hasPicture } + (joined.reportVector != nil && !isTextKnown ? 1 : 0)
            if let stored, isSame(joined, stored) {
                made.isUnchanged = true
                return made
            }
            made.prepared = try prepared(item.id, joined)
        } catch {
            made.refused.append(
                .init(source: place, reason: ArchiveError.wrapping(error).reason))
        }
        return made
    }

    /// Looks at the pictures that rows name, and refuses rows whose picture may not come in.
    private func look(
        at rows: [Given], of id: String, _ stored: StoredCase?, _ made: inout ImportedCase
    ) -> [Given] {
        var looked: [Given] = []
        for var given in rows {
            if given.row.kind == .image, let path = given.row.more?.said.imagePaths.first {
                do {
                    given.picture = try gate.picture(at: path, of: id) { digest in
                        stored?.entry.images.contains { $0.digest == digest } ?? false
                    }
                } catch {
                    made.refused.append(.init(source: plan.place(of: given.row), reason: error.reason))
                    continue
                }
                if given.picture == nil { made.lostPictures += 1 }
            }
            looked.append(given)
        }
        return looked
    }

    private func isSame(_ joined: Joined, _ stored: StoredCase) -> Bool {
        stored.entry.images == joined.images && stored.entry.fields == joined.fields && stored.text == joined.text
            && stored.images == joined.imageVectors.map { Optional($0) } && stored.report == joined.reportVector
    }

    private func prepared(_ id: String, _ joined: Joined) throws -> PreparedCase {
        var input = CaseInput(id: id, report: joined.text, fields: joined.fields)
        input.isDeidentified = true
        input.origin = CaseOrigin(source: Self.source, fingerprint: [], mayReplace: replaces)
        var prepared = PreparedCase(input)
        // The vectors are compared with what is stored, so no source needs to be remembered.
        prepared.journal = nil
        prepared.images = joined.images
        prepared.keptBytes = joined.images.map { _ in nil }
        prepared.imageVectors = joined.imageVectors
        prepared.reportVector = joined.reportVector
        prepared.lacksReportVector = joined.reportVector == nil
        prepared.modelID = serving.modelID
        prepared.bringsVectors = true
        prepared.maskCounts = joined.masks
        (prepared.dateFault, prepared.hasLostDate) = (joined.dateFault, joined.hasLostDate)
        if let text = joined.text { prepared.words = ReportWords(text, try ReportWords.sharedReader()) }
        return prepared
    }

    // MARK: Joining

    private func join(
        _ item: ImportPlan.Case, _ given: [Given], _ stored: StoredCase?
    ) throws -> Joined {
        var joined = Joined()
        try joinImages(item, given, stored, &joined)
        var fields = CaseFields()
        var text: String?
        for line in given.compactMap(\.row.more) + [item.bare?.more].compactMap(\.self) {
            let more = line.said
            if !proofs.isEmpty { try check(line, id: item.id) }
            fields.fill(from: more.fields)
            if fields.findings.isEmpty { fields.findings = more.fields.findings }
            text = try text ?? Self.text(of: more)
        }
        var persons = CasePersons()
        persons.add(fields)
        for tags in given.compactMap(\.picture?.tags) { persons.add(tags) }
        let privacy = archive.privacy
        if let given = text {
            if proofs.isEmpty { text = try privacy.masked(given, persons, id: item.id, &joined.masks) }
            guard given.utf8.count <= ArchiveLimits.reportByteCount else {
                throw ArchiveError(.limit, "the report is longer than \(ArchiveLimits.reportByteCount) bytes")
            }
        }
        try fields.settle(for: item.id)
        if proofs.isEmpty {
            joined.dateFault = fields.dateFault
            joined.hasLostDate = try privacy.apply(
                to: &fields, of: fields.patient, persons, fromTags: false, &joined.masks)
        }
        if let stored {
            if fields.findings.isEmpty { fields.findings = stored.entry.fields.findings }
            fields.fill(from: stored.entry.fields)
        }
        joined.fields = fields
        // A vector of the former report says nothing of another one.
        let isSameReport = text == nil || text == stored?.text
        joined.reportVector =
            given.first { $0.row.kind == .report }?.vector ?? (isSameReport ? stored?.report : nil)
        // A vector without a text: an empty one is stored.
        joined.text = text ?? stored?.text ?? (joined.reportVector == nil ? nil : "")
        return joined
    }

    /// - Throws: `.badRequest` for a line that does not prove where it comes from.
    private func check(_ line: VectorRow.LineFields, id: String) throws(ArchiveError) {
        let report = try Self.text(of: line.said)
        guard let proof = line.proof, proofs.contains(where: { $0.member(id: id, report: report) == proof }) else {
            throw ArchiveError(
                .badRequest,
                "the line does not prove that identifiers were taken out of it; export it with --settled from an archive of the "
                    + "same --deid and --dates, and name that archive's log.key")
        }
    }

    /// The report that a line brings; nil for none.
    private static func text(of more: SourceCase) throws(ArchiveError) -> String? {
        var report = more
        report.imagePaths = []
        let text = try report.input().report
        return text?.allSatisfy(\.isWhitespace) == true ? nil : text
    }

    private func joinImages(
        _ item: ImportPlan.Case, _ given: [Given], _ stored: StoredCase?, _ joined: inout Joined
    ) throws {
        var byPlace: [Int: Given] = [:]
        for found in given where found.row.kind == .image { byPlace[found.row.place] = found }
        let count = max(stored?.images.count ?? 0, (byPlace.keys.max() ?? -1) + 1)
        guard count <= ArchiveLimits.imageCount else {
            throw ArchiveError(.limit, "a case may have \(ArchiveLimits.imageCount) images")
        }
        for place in 0..<count {
            let known = stored.flatMap { $0.entry.images.indices.contains(place) ? $0.entry.images[place] : nil }
            if let found = byPlace[place] {
                joined.images.append(image(of: found, known, isOne: count == 1))
                joined.imageVectors.append(found.vector)
            } else if let stored, let known, let vector = stored.images[place] {
                joined.images.append(known)
                joined.imageVectors.append(vector)
            } else {
                throw ArchiveError(
                    .badRequest,
                    "image \(place) of \(item.id) has no vector; the images of a case are numbered from 0 without gaps")
            }
        }
    }

    /// The image of a row: the picture that its line names, or the stored one, or the vector alone.
    private func image(of given: Given, _ known: CaseEntry.StoredImage?, isOne: Bool) -> CaseEntry.StoredImage {
        let said = given.row.more?.said
        let view = isOne ? nil : said?.fields.view ?? known?.view
        if let picture = given.picture, let path = said?.imagePaths.first {
            return .init(digest: picture.digest, path: path, view: view)
        }
        if var known, known.hasPicture {
            known.view = view ?? known.view
            return known
        }
        var hash = SHA256()
        given.vector.withUnsafeBytes { hash.update($0) }
        return .init(ofVector: hash.finish(), view: view)
    }
}

extension Archive {
    /// The stored case `id` with its vectors; nil when there is none.
    func storedCase(_ id: String) throws -> StoredCase? {
        let serving = self.serving
        guard let dimension = serving.dimension else { return nil }
        return try store.environment.read { transaction in
            guard let number = try store.number(transaction, of: id),
                let entry = try store.entry(transaction, number)
            else { return nil }
            var stored = StoredCase(entry: entry, images: entry.images.map { _ in nil })
            if entry.hasReport { stored.text = try store.report(transaction, number) }
            for item in entry.items(.image, of: number, in: serving.generation) {
                stored.images[Int(item - number)] = try store.vector(
                    transaction, .image, serving.key(item), dimension: dimension)
            }
            for item in entry.items(.report, of: number, in: serving.generation) {
                stored.report = try store.vector(transaction, .report, serving.key(item), dimension: dimension)
            }
            return stored
        }
    }
}
