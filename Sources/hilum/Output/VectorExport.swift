import Foundation
import HilumArchive
import HilumCore

/// Writes the vectors of an archive, and beside each file the lines that name its rows.
///
/// All files are of one moment of the archive, which may be served meanwhile. They are for their owner alone: lines name cases, and may bring
/// what their reports say.
struct VectorExport {
    /// How vectors lie in files.
    enum Format: String, CaseIterable {
        case npy
        case fvecs
        /// Folders as clip-retrieval has them.
        case clip
    }

    let folder: String
    let format: Format
    /// What lines bring of a case besides.
    var extras = CaseLine()
    /// Proves of lines that identifiers were taken out of them; nil for none.
    var proof: LineProof?
    /// Called when a file is whole.
    var onFile: (String) -> Void = { _ in }

    private static let rights: mode_t = 0o600

    private typealias Row = (record: CaseRecord, image: Int)

    /// Writes all files.
    ///
    /// - Returns: how many rows, by kind.
    func write(
        _ archive: Archive, model: String, columns: Int, _ progress: HilumCore.Progress
    ) throws -> [(name: String, count: Int)] {
        var rows: [(name: String, count: Int)] = []
        try archive.walkVectors { walk, bare in
            // A line without what it says of its case would be of no use to anybody. It comes first, as the seal of the reports counts them.
            let hasBare = format != .clip && (extras.hasReport || extras.hasFields)
            let bareCount = hasBare ? try writeBare(bare, model: model) : nil
            rows = try write(walk, model: model, columns: columns, bareCount: bareCount, progress)
            if let bareCount { rows.append(("without_vectors", bareCount)) }
        }
        return rows
    }

    /// Writes the cases that no vector stands for.
    private func writeBare(_ walk: Archive.BareWalk, model: String) throws -> Int {
        var lines: [UInt8] = []
        var count = 0
        try walk { record in
            var json = JSONWriter()
            json.beginObject()
            json.member("id", record.id)
            json.member("case", Int(record.number))
            let report = extras.hasReport ? record.report : nil
            if let report { json.member("report", report) }
            extras.write(image: nil, view: nil, hasImage: false, fields: record.fields, to: &json)
            if let proof { json.member("settled", proof.member(id: record.id, report: report)) }
            json.endObject()
            lines += json.bytes + [UInt8(ascii: "\n")]
            count += 1
            return !Interruption.flag.isRaised
        }
        if Interruption.flag.isRaised { throw CommandError(.interrupted, "interrupted; not all files were written") }
        guard count > 0 else { return 0 }
        let file = "\(folder)/\(VectorSource.bareName)"
        let seal = VectorSeal(rowCount: count, dimension: 0, model: model, vectors: "")
        try FileIO.writeAtomically(file, seal.sealed(lines), rights: Self.rights)
        onFile(file)
        return count
    }

    private func write(
        _ walk: Archive.VectorWalk, model: String, columns: Int, bareCount: Int?, _ progress: HilumCore.Progress
    ) throws -> [(name: String, count: Int)] {
        guard format == .clip else {
            return try [(VectorKind.image, "images"), (.report, "reports")].map { kind, name in
                let stem = "\(folder)/\(name)"
                let count = try write(
                    walk, kind, to: "\(stem).\(format.rawValue)", lines: stem + ".jsonl", model: model,
                    columns: columns, progress, bareCount: kind == .report ? bareCount : nil)
                return (name, count)
            }
        }
        // Row i of all files is one case.
        var both: Set<UInt32> = []
        try walk(.report, false) { record, _, _ in
            if record.hasImage { both.insert(record.number) }
            return !Interruption.flag.isRaised
        }
        var withImage: Set<UInt32> = []
        try walk(.image, false) { record, image, _ in
            if image == 0, both.contains(record.number) { withImage.insert(record.number) }
            return !Interruption.flag.isRaised
        }
        for part in ["img_emb", "text_emb", "metadata"] {
            try OutputFolder.make("\(folder)/\(part)", isPrivate: true)
        }
        return try [(VectorKind.image, "img_emb", "images"), (.report, "text_emb", "reports")].map { kind, part, name in
            let count = try write(
                walk, kind, to: "\(folder)/\(part)/\(part)_0.npy",
                lines: kind == .image ? "\(folder)/metadata/metadata_0.jsonl" : nil, model: model, columns: columns,
                progress, only: withImage)
            return (name, count)
        }
    }

    // MARK: One file

    private func write(
        _ walk: Archive.VectorWalk, _ kind: VectorKind, to file: String, lines names: String?, model: String,
        columns: Int, _ progress: HilumCore.Progress, only: Set<UInt32>? = nil, bareCount: Int? = nil
    ) throws -> Int {
        func isWanted(_ record: CaseRecord, _ image: Int) -> Bool {
            only.map { image == 0 && $0.contains(record.number) } ?? true
        }
        var count = 0
        try walk(kind, false) { record, image, _ in
            if isWanted(record, image) { count += 1 }
            return !Interruption.flag.isRaised
        }
        var lines: [UInt8] = []
        var hash = SHA256()
        var (row, shownCount) = (0, 0)
        try FileIO.writeAtomically(file, rights: Self.rights) { pieces in
            var bytes = format == .fvecs ? [] : NumpyFile.head(rows: count, columns: columns)
            func flush() throws {
                bytes.withUnsafeBytes { hash.update($0) }
                try pieces.append(bytes)
                bytes = []
                progress.advance(by: row - shownCount)
                shownCount = row
            }
            try walk(kind, extras.hasReport || only != nil) { record, image, vector in
                guard !Interruption.flag.isRaised else { return false }
                guard isWanted(record, image) else { return true }
                append(vector, to: &bytes)
                if names != nil { lines += Array((line(row, kind, (record, image), isClip: only != nil) + "\n").utf8) }
                row += 1
                if bytes.count >= 1 << 20 { try flush() }
                return true
            }
            if Interruption.flag.isRaised { throw CommandError(.interrupted, "interrupted; this file was not written") }
            guard row == count else {
                throw CommandError(.failed, "\(file): \(row) rows were read where \(count) were counted; export again")
            }
            try flush()
        }
        onFile(file)
        guard let names else { return row }
        var seal = VectorSeal(rowCount: row, dimension: columns, model: model, vectors: hexadecimal(hash.finish()))
        // None are no file.
        if let bareCount, bareCount > 0 { seal.bareCount = bareCount }
        // One seal cannot speak for both files of clip-retrieval.
        try FileIO.writeAtomically(names, only == nil ? seal.sealed(lines) : lines, rights: Self.rights)
        onFile(names)
        return row
    }

    /// Adds a row: the floats, which fvecs counts before each.
    private func append(_ vector: [Float], to bytes: inout [UInt8]) {
        if format == .fvecs {
            withUnsafeBytes(of: UInt32(vector.count).littleEndian) { bytes.append(contentsOf: $0) }
        }
        for value in vector { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) } }
    }

    /// What the file of ids says of a row. What is known of a case stands once: with its first image, or with its report.
    private func line(_ row: Int, _ kind: VectorKind, _ place: Row, isClip: Bool) -> String {
        let (record, image) = place
        var report: String?
        var json = JSONWriter()
        json.beginObject()
        if !isClip { json.member("row", row) }
        json.member("id", record.id)
        if isClip {
            if let path = record.imagePath, !record.hidesNames { json.member("image_path", path) }
            if extras.hasReport, let report = record.report { json.member("caption", report) }
        } else {
            json.member("kind", kind.rawValue)
            if kind == .image {
                let path = record.hidesNames || !record.images.indices.contains(image) ? nil : record.images[image].path
                extras.write(image: image, path: path, to: &json)
            }
            json.member("case", Int(record.number))
            if extras.hasReport, kind == .report || image == 0 { report = record.report }
            if let report { json.member("report", report) }
        }
        extras.write(
            image: kind == .image ? image : nil,
            view: record.images.indices.contains(image) ? record.images[image].view : nil, hasImage: record.hasImage,
            fields: record.fields, to: &json)
        if let proof { json.member("settled", proof.member(id: record.id, report: report)) }
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }
}
