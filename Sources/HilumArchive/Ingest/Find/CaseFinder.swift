import Foundation
import HilumCore

/// Makes cases of files: the one place that decides which image and which text belong together.
///
/// `index`, `train`, `eval`, `pilot`, `embed`, `findings` and the inbox all ask it. An image and a text are one case within one folder, or
/// in parallel trees (`images/…`, `reports/…`) at the same path below them, and nowhere else (`FilePlace`). DICOM files are one case
/// when they are one study (`StudyGroups`).
package struct CaseFinder {
    /// Absolute, without a slash at the end.
    let root: String
    package private(set) var passedOver = PassedOver()
    /// DICOM files whose tags cannot be read to their end without the decoder, so that they are cases by their paths.
    package private(set) var unreadTags: [String] = []
    /// Of DICOM files, by path below the root; nil for a file that is none.
    private var glances: [String: DICOMGlance?] = [:]

    package init(root: String) { self.root = root }

    /// The cases of all files, in the order of their ids.
    mutating func cases(of files: [FoundFile]) -> [SourceCase] {
        var studies = StudyGroups()
        for file in files { _ = studies.note(glance(at: file)?.study, of: file) }
        var groups: [String: [FoundFile]] = [:]
        for file in files { groups[studies.group(of: file), default: []].append(file) }
        var found: [SourceCase] = []
        for (group, files) in groups { found += cases(ofGroup: files, study: StudyGroups.study(ofGroup: group)) }
        return found.sorted { $0.id < $1.id }
    }

    /// What is seen of a DICOM file, which is opened once.
    mutating func glance(at file: FoundFile) -> DICOMGlance? {
        if let known = glances[file.path] { return known }
        let glance = DICOMGlance(file, at: absolute(file.path))
        glances[file.path] = .some(glance)
        if let glance, !glance.isComplete, glance.study == nil { unreadTags.append(absolute(file.path)) }
        return glance
    }

    mutating func passOver(_ reason: String, _ count: Int = 1) { passedOver.add(reason, count) }

    /// The files of one id.
    struct Pile {
        var images: [(file: FoundFile, place: FilePlace)] = []
        var texts: [(file: FoundFile, place: FilePlace)] = []
        var records: [(file: FoundFile, place: FilePlace)] = []
        var former: [String] = []
    }

    /// The cases of the files of one group; most often one.
    ///
    /// - Parameter study: the study UID of the group, where `StudyGroups` made it of one.
    package mutating func cases(ofGroup files: [FoundFile], study: String? = nil) -> [SourceCase] {
        var piles: [String: Pile] = [:]
        for file in spelledAlike(files.sorted(by: { $0.path < $1.path })) {
            let place = FilePlace(path: file.path, role: file.role)
            switch file.role {
            case .image: if isPicture(file) { piles[place.id, default: Pile()].images.append((file, place)) }
            case .text: piles[place.id, default: Pile()].texts.append((file, place))
            case .record: piles[place.id, default: Pile()].records.append((file, place))
            case .manifest, .table: passedOver.add("table that is not known")
            case .markup: passedOver.add("other kind (.xml)")
            // They say by their content of which case they are (`SourceReports`).
            case .message: continue
            case .passedOver(let reason): passedOver.add(reason)
            }
        }
        if let study { return makeStudy(study, piles).map { [$0] } ?? [] }
        joinTrees(&piles)
        joinRoot(&piles)
        var found: [SourceCase] = []
        for (id, pile) in piles.sorted(by: { $0.key < $1.key }) {
            if let item = makeCase(id, pile) { found.append(item) }
        }
        return found
    }

    /// Without files that are spelled otherwise than one that has a twin: they may be the twin's.
    private mutating func spelledAlike(_ files: [FoundFile]) -> [FoundFile] {
        guard files.contains(where: \.hasTwin) else { return files }
        var spellings: [String: String] = [:]
        for file in files where file.hasTwin {
            let group = FilePlace.spelledGroup(of: file)
            if spellings[group] == nil { spellings[group] = group }
        }
        return files.filter { file in
            let group = FilePlace.spelledGroup(of: file)
            guard let spelling = spellings[group], !spelling.utf8.elementsEqual(group.utf8) else { return true }
            passedOver.addTwin(absolute(file.path))
            return false
        }
    }

    /// Gives the images of a tree the text and the record at the same place of a parallel tree, where there is no choice.
    private func joinTrees(_ piles: inout [String: Pile]) {
        guard piles.count > 1 else { return }
        let images = piles.filter { !$0.value.images.isEmpty && $0.value.images.first?.place.tree == .images }
        guard images.count == 1, let target = images.first?.key else { return }
        func join(_ list: WritableKeyPath<Pile, [(file: FoundFile, place: FilePlace)]>, from tree: FilePlace.Tree) {
            guard piles[target]?[keyPath: list].isEmpty == true else { return }
            let others = piles.filter { $0.value.images.isEmpty && $0.value[keyPath: list].first?.place.tree == tree }
            guard others.count == 1, let other = others.first else { return }
            piles[target]?[keyPath: list] = other.value[keyPath: list]
            piles[other.key]?[keyPath: list] = []
            if list == \Pile.texts { piles[target]?.former.append(other.key) }
        }
        join(\.texts, from: .texts)
        join(\.records, from: .records)
    }

    /// Makes one pile of files with fixed names that lie in the source itself (`image.png`, `report.txt`), where there is no choice.
    private func joinRoot(_ piles: inout [String: Pile]) {
        guard piles.count > 1,
            piles.values.allSatisfy({ pile in
                (pile.images + pile.texts + pile.records).allSatisfy { $0.place.group == FilePlace.rootGroup }
            })
        else { return }
        func isLateral(_ id: String) -> Int { ["LATERAL", "LL"].contains(piles[id]?.images.first?.place.view) ? 1 : 0 }
        let images = piles.keys.filter { piles[$0]?.images.isEmpty == false }
            .sorted { (isLateral($0), $0) < (isLateral($1), $1) }
        let texts = piles.keys.filter { piles[$0]?.texts.isEmpty == false }
        let records = piles.keys.filter { piles[$0]?.images.isEmpty == true && piles[$0]?.texts.isEmpty == true }
        guard let target = images.first, texts.count == 1, let text = texts.first, FilePlace.isFixedText(text),
            piles[text]?.images.isEmpty == true
        else { return }
        guard var joined = piles[target] else { return }
        for other in images.dropFirst() + [text] {
            guard let pile = piles.removeValue(forKey: other) else { continue }
            joined.images += pile.images
            joined.texts += pile.texts
            joined.records += pile.records
            joined.former.append(other)
        }
        if records.count == 1, let record = records.first, FilePlace.isFixedRecord(record) {
            joined.records += piles.removeValue(forKey: record)?.records ?? []
        }
        piles[target] = joined
    }

    mutating func makeCase(_ id: String, _ pile: Pile) -> SourceCase? {
        guard !pile.images.isEmpty || !pile.texts.isEmpty else {
            passedOver.add("record without a case", pile.records.count)
            return nil
        }
        let images = thinned(pictures(pile))
        guard let first = images.first?.path ?? pile.texts.first?.file.path else { return nil }
        var found = SourceCase(place: absolute(first), name: absolute(id), id: id)
        found.imagePaths = images.map { absolute($0.path) }
        if images.contains(where: { $0.view != nil }) {
            found.imageViews = images.map { $0.view ?? "" }
            // What a further image shows says nothing of the first.
            found.fields.view = images.first?.view
        }
        if let text = pile.texts.min(by: { $0.file.path.count < $1.file.path.count }) {
            found.reportPath = absolute(text.file.path)
            for other in pile.texts where absolute(other.file.path) != found.reportPath {
                passedOver.addLost("second text of a case", absolute(other.file.path))
            }
        }
        found.accessions = Set(pile.images.compactMap { glance(at: $0.file)?.accession })
        found.tagged = pile.images.compactMap { glance(at: $0.file)?.patient }
        found.fields.patient = FilePlace.patient(of: first)
        describe(&found, by: pile.records.map { absolute($0.file.path) })
        found.former = pile.former.map { CaseOrigin.Former(id: $0, source: absolute($0)) }
        guard !found.imagePaths.isEmpty || found.reportPath != nil else {
            passedOver.add("other kind")
            return nil
        }
        return found
    }

    func absolute(_ path: String) -> String { "\(root)/\(path)" }

    /// One file for each picture of a case, frontal ones first.
    ///
    /// Of several files that show the same picture it is the largest of those that can be read, and a thumbnail only where nothing else is.
    /// A file that is called a thumbnail and is not smaller shows a picture of its own: `doe_small.png` may be another film of a patient.
    private mutating func pictures(_ pile: Pile) -> [(path: String, view: String?)] {
        var pictures: [String: [(file: FoundFile, place: FilePlace)]] = [:]
        for image in pile.images { pictures[image.place.picture, default: []].append(image) }
        var chosen: [(path: String, view: String?)] = []
        for (_, candidates) in pictures.sorted(by: { $0.key < $1.key }) {
            // A file without an ending may be anything.
            let able = candidates.filter {
                FileRole.isNamedAsImage($0.file.path) || SourceCase.looksLikeImage(absolute($0.file.path))
            }
            passedOver.add("other kind (no ending)", candidates.count - able.count)
            let best = best(of: able)
            for other in able where !best.contains(where: { $0.file == other.file }) {
                // A smaller copy is lost to nobody.
                let reason = "other file of the same picture"
                if other.place.isThumbnail {
                    passedOver.add(reason)
                } else {
                    passedOver.addLost(reason, absolute(other.file.path))
                }
            }
            chosen += best.map { ($0.file.path, $0.place.view ?? view(of: $0.file)) }
        }
        let plain = chosen.filter { Self.rank($0.view) == 0 }
        return plain + chosen.filter { Self.rank($0.view) == 1 }
    }

    private static func rank(_ view: String?) -> Int { ["LATERAL", "LL", "RL", nil].contains(view) ? 1 : 0 }

    /// Orders the images of a case: frontal ones first, then by their names.
    static func order(_ view: String?, _ path: String) -> (Int, String) {
        (rank(view), FilePath.withoutEnding(path))
    }

    private func best(
        of candidates: [(file: FoundFile, place: FilePlace)]
    ) -> [(file: FoundFile, place: FilePlace)] {
        guard candidates.count > 1 else { return candidates }
        let sized = candidates.map { ($0, SourceCase.pixelCount(absolute($0.file.path)) ?? -1) }
        let readable = sized.filter { $0.1 >= 0 }
        let pool = readable.isEmpty ? sized : readable
        let full = pool.filter { !$0.0.place.isThumbnail }
        var result: ((file: FoundFile, place: FilePlace), Int)?
        for item in full.isEmpty ? pool : full where result.map({ item.1 > $0.1 }) ?? true { result = item }
        guard let result else { return [] }
        let own = pool.filter { !full.isEmpty && $0.0.place.isThumbnail && $0.1 >= max(0, result.1) }
        return [result.0] + own.map(\.0)
    }

    /// Reads the records beside a case; one that cannot be read costs itself alone. Of two that say different things the first counts, as it
    /// is that of the first image. Two that say another patient, date, study or order are of two exams, so the case is refused.
    private mutating func describe(_ found: inout SourceCase, by paths: [String]) {
        var known: Set<String> = []
        // By key, whatever its spelling.
        var said: [String: (value: SaidValue, path: String)] = [:]
        for path in paths {
            let folder = FilePath.folder(of: path)
            guard let bytes = try? FileIO.read(path, limitInBytes: Manifest.rowByteCount),
                let record = try? Manifest.json(parsing: Manifest.withoutMark(bytes[...]))
            else {
                passedOver.addBrokenRecord(path)
                continue
            }
            // The boxes of a detector, say.
            guard case .object(let members) = record else {
                passedOver.addLost("JSON beside a case that is no record", path)
                continue
            }
            for (key, value) in members where !["id", "image", "report_file"].contains(key) {
                // The text beside the image is the report.
                if key == "report" && found.reportPath != nil { continue }
                guard SourceCase.says(value) else { continue }
                if ReportKeys.tellsExams(key) {
                    let value = SaidValue(value, of: key)
                    // Two spellings within one record are two keys of its program.
                    if let first = said[ReportKeys.plain(key)], first.path != path, !first.value.isSame(as: value) {
                        found.fault =
                            "\(found.id): \(FilePath.name(of: first.path)) and \(FilePath.name(of: path)) name two "
                            + "patients, dates or studies (\"\(key)\"), and a case is of one; part them by folders or names"
                    }
                    if said[ReportKeys.plain(key)] == nil { said[ReportKeys.plain(key)] = (value, path) }
                }
                if known.insert(key).inserted { found.set(key, value, folder: folder) }
            }
            found.recordPaths.append(path)
        }
    }

    /// The rows of a manifest that lies below `root`. The cases that their files were by themselves give way to them. Of two rows with one
    /// id the second is refused: they may be two patients. Its files are claimed all the same: a picture of which a row says whose it is
    /// is no case of its own.
    package static func rows(
        of manifest: String, root: String
    ) throws(ArchiveError) -> (cases: [SourceCase], refused: [CaseFiles.Refusal], claimed: [String]) {
        var cases: [SourceCase] = []
        var refused: [CaseFiles.Refusal] = []
        var claimed: [String] = []
        var placeOfID: [String: String] = [:]
        for item in try Manifest.read(manifest) {
            switch item {
            case .refused(let place, let reason): refused.append(.init(source: place, reason: reason))
            case .found(var row):
                claimed += row.paths
                if let first = placeOfID[row.id] {
                    refused.append(
                        .init(source: row.place, reason: "the row at \(first) has the same id; one id is one case"))
                    continue
                }
                placeOfID[row.id] = row.place
                row.takeFiles(below: root)
                cases.append(row)
            }
        }
        if !refused.isEmpty { claimed += filesNamed(in: manifest, below: root) }
        return (cases, refused, claimed)
    }

    /// The files whose paths stand somewhere in a manifest: a row that cannot be read does not say which of its words is a path.
    private static func filesNamed(in manifest: String, below root: String) -> [String] {
        guard let bytes = try? FileIO.read(manifest, limitInBytes: Manifest.fileByteCount) else { return [] }
        let ends = Set("\",;\t\n\r[]{}|".utf8)
        let folder = FilePath.folder(of: manifest)
        let paths = Set(
            bytes.split { ends.contains($0) }.map { part in
                let text = String(decoding: part, as: UTF8.self).trimmingCharacters(in: .whitespaces)
                return FilePath.isAbsolute(text) ? text : "\(folder)/\(text)"
            })
        return FolderWalk(root).files.map { "\(root)/\($0.path)" }.filter(paths.contains)
    }

    /// The case that an XML report of Open-i makes with the images that it names; nil for another kind of XML.
    ///
    /// - Parameters:
    ///   - file: the XML file.
    ///   - files: all that lie below `root`, among which images are looked for by name.
    /// - Returns: the case, and the names of images without their endings that are not there.
    package static func markup(
        _ file: FoundFile, root: String, among files: [FoundFile]
    ) -> (found: SourceCase, missing: [String])? {
        var reading = LayoutReading(root: root, files: files)
        guard reading.readXML(file), var found = reading.found.first else { return nil }
        found.takeFiles(below: root)
        return (found, reading.missingImages)
    }

    /// All files below `root`.
    package static func files(below root: String) -> [FoundFile] { FolderWalk(root).files }
}
