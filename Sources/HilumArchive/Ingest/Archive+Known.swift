import Foundation
import HilumCore
import LMDB

/// What the archive knows of the files of a bulk run, before they are read.
extension Archive {
    /// Cases under the ids that the archive gave their files before.
    func settled(_ items: [SourceItem]) throws -> [SourceItem] {
        guard attributes.read({ !$0.live.isEmpty }) else { return items }
        let known = try items.map { item -> SourceItem in
            guard case .found(let source) = item, !source.isRow || source.isPart else { return item }
            if source.isReportAlone || !source.imagePaths.isEmpty {
                do { return .found(try withReports(source.isPart ? adopted(source) : source)) } catch {
                    guard let error = error as? ArchiveError, error.code == .exists else { throw error }
                    return .refused(place: source.place, reason: error.reason)
                }
            }
            if source.isPart { return .found(try adopted(source)) }
            return .found(try source.joined(below: source.folder) { try get(id: $0) })
        }
        var found = SourceCase.withoutContestedReports(
            known.compactMap { if case .found(let source) = $0 { source } else { nil } }
        ).makeIterator()
        return known.map { item in
            guard case .found = item, let source = found.next() else { return item }
            return .found(source)
        }
    }

    /// One file that somebody names is a file of the stored case that has it, by whatever path it was found then.
    ///
    /// - Complexity: O(1) where the names say it, and otherwise O(cases).
    private func adopted(_ source: SourceCase) throws -> SourceCase {
        try withArchiveErrors {
            try store.environment.read { transaction in
                var found = source
                for name in Self.possibleNames(of: source) {
                    guard let number = try journalEntry(transaction, name)?.number,
                        let entry = try store.entry(transaction, number), entry.source == name,
                        name == source.name || !entry.images.isEmpty
                    else { continue }
                    (found.id, found.name) = (entry.id, name)
                    return found
                }
                let paths = Set(source.imagePaths)
                guard !paths.isEmpty else { return found }
                var owners: [(id: String, source: String)] = []
                try store.forEachCase(transaction) { _, entry in
                    guard let source = entry.source, entry.images.contains(where: { paths.contains($0.path) }) else {
                        return
                    }
                    owners.append((entry.id, source))
                }
                // A file of two cases says nothing.
                if owners.count == 1, let owner = owners.first { (found.id, found.name) = owner }
                return found
            }
        }
    }

    /// What the source of these files may have been called by a run that began at a folder above them.
    private static func possibleNames(of source: SourceCase) -> [String] {
        var names = [source.name]
        var files = source.imagePaths.map { (path: $0, role: FileRole.image) }
        if let path = source.reportPath { files.append((path, .text)) }
        for (path, role) in files {
            let id = FilePlace(path: String(path.drop { $0 == "/" }), role: role).id
            names.append("/" + id)
            if let study = source.study {
                // It is named by its UID, wherever its files lie.
                var above = FilePath.folder(of: path)
                while FilePath.isAbsolute(above), above != "/" {
                    names.append("\(above)/\(study)")
                    above = FilePath.folder(of: above)
                }
            }
            guard role == .text, source.imagePaths.isEmpty else { continue }
            names += FilePlace.idsOfImages(forReportAt: id).map { "/" + $0 }
        }
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }

    /// Whether the stored case of these files has images or a report that they do not hold any more.
    func holdsMore(
        _ transaction: borrowing some (Transaction & ~Copyable), than source: SourceCase
    ) throws -> Bool {
        guard !source.isRow, !source.isPart, let number = try store.number(transaction, of: source.id),
            let entry = try store.entry(transaction, number)
        else { return false }
        let paths = Set(source.imagePaths)
        return entry.images.contains { !paths.contains($0.path) && access($0.path, F_OK) != 0 }
            || entry.hasReport && !source.hasReport
    }

    /// Completes a case of a bulk run by what is stored of it.
    func complete(_ input: inout CaseInput, of source: SourceCase) throws {
        if let waiting = source.waiting, try get(id: source.id) == nil, let known = try get(id: waiting.id) {
            source.complete(&input, from: known, isTied: true, keeping: .gone, keepsFields: false)
            return
        }
        guard source.isPart || !source.isRow,
            case .own(var isTied) = try verdict(of: source.origin, id: source.id), let known = try get(id: source.id)
        else { return }
        if source.isReportAlone {
            source.complete(&input, from: known, isTied: isTied, keeping: .gone, keepsFields: true)
            return
        }
        if source.isPart && !isTied { isTied = try isTiedElsewhere(source, known) }
        source.complete(
            &input, from: known, isTied: isTied, keeping: source.isPart ? .others : .gone, keepsFields: source.isPart)
    }

    /// Whether a file of the case, or its row, is there as it was, among those that were not looked at because somebody named one alone.
    private func isTiedElsewhere(_ source: SourceCase, _ known: CaseRecord) throws -> Bool {
        let journal = try withArchiveErrors { try store.environment.read { try journalEntry($0, source.name) } }
        guard journal?.number == known.number, let marks = journal?.marks, !marks.isLoose else { return false }
        var ties = SourceMarks()
        if source.isRow {
            let table = String(source.name.dropLast(source.id.count + 1))
            // A table that cannot be read ties nothing.
            for case .found(let row) in (try? Manifest.read(table)) ?? [] where row.name == source.name {
                ties = row.origin.ties
            }
        } else {
            let images = known.images.map(\.path)
            for path in images + images.flatMap(FilePlace.textsOfImage(at:)) + ["\(source.name).txt"] {
                ties.insert(file: path)
            }
        }
        return ties.hasPart(of: marks)
    }
}
