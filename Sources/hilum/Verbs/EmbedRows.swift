import Foundation
import HilumArchive
import HilumCore

/// A part of a manifest, by the ids of its cases.
struct Shard: Equatable {
    /// From 1.
    let part: Int
    let count: Int

    /// Reads `I/N` with 1 ≤ I ≤ N.
    init(_ text: String) throws {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let part = parts[0], let count = parts[1], count >= 1, (1...count).contains(part) else {
            throw CommandError.usage("--shard needs I/N with I from 1 to N, not '\(text)'")
        }
        (self.part, self.count) = (part, count)
    }

    /// As it is written.
    var text: String { "\(part)/\(count)" }

    /// Whether a case belongs to this part: its id alone decides, so that another case more moves none.
    func holds(_ id: String) -> Bool {
        var hash = SHA256()
        hash.update(id)
        let number = hash.finish().prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int(number % UInt64(count)) == part - 1
    }
}

/// An input of `hilum embed` that becomes one row.
struct EmbedRow {
    enum Content {
        case image(ImageSource)
        case report(String)
    }

    let id: String
    let content: Content
    /// Of an image of a case that has several, from 0; nil otherwise.
    var place: Int?
    /// Where its case stands in the manifest, from 0; nil without one.
    var order: Int?
    /// Its case, where it is one of a manifest.
    var item: CaseInput?

    /// The file of an image; nil where none is named.
    var file: String? {
        if case .image(.file(let path)) = content { path } else { nil }
    }

    var kind: VectorKind {
        switch content {
        case .image: .image
        case .report: .report
        }
    }

    /// What the file of ids says of it.
    func line(_ row: Int, _ extras: CaseLine) -> String {
        var json = JSONWriter()
        json.beginObject()
        json.member("row", row)
        json.member("id", id)
        json.member("kind", kind.rawValue)
        if kind == .image { extras.write(image: place, path: item == nil ? nil : file, to: &json) }
        if let order { json.member("case", order) }
        if let item {
            let place = kind == .image ? place ?? 0 : nil
            if extras.hasReport, place ?? 0 == 0, let report = item.report, !report.isEmpty {
                json.member("report", report)
            }
            extras.write(
                image: place, view: place.flatMap { item.images[$0].view }, hasImage: !item.images.isEmpty,
                fields: item.fields, to: &json)
        }
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

/// What `hilum embed` is to encode, in the order of the command line or of the manifest.
struct EmbedRows {
    private(set) var rows: [EmbedRow] = []
    /// Rows and files of the manifest that are no case.
    private(set) var refused: [(path: String, reason: String)] = []
    /// What lines say of a case besides.
    let extras: CaseLine

    init(_ arguments: Arguments, _ shard: Shard?) throws {
        extras = try CaseLine(arguments)
        for (name, value) in arguments.given {
            switch (name, value) {
            case ("image", "-"?): rows.append(EmbedRow(id: "-", content: .image(.bytes(try readInput("-")))))
            case ("image", let path?): rows.append(EmbedRow(id: path, content: .image(.file(path))))
            case ("text", let text?):
                rows.append(EmbedRow(id: "text-\(rows.count + 1)", content: .report(try inputText(text))))
            default: break
            }
        }
        guard let manifest = arguments.text("manifest") else {
            if rows.isEmpty { throw CommandError.usage("--image, --text or --manifest is missing") }
            if shard != nil { throw CommandError.usage("--shard needs --manifest") }
            if extras != CaseLine() { throw CommandError.usage("--with tells of cases, so it needs --manifest") }
            return
        }
        if !rows.isEmpty { throw CommandError.usage("--manifest excludes --image and --text") }
        let read = try CaseFiles(source: manifest)
        showPassedOver(read.passedOver)
        // A row that cannot be read is everybody's, and the first part tells of it.
        if shard?.part ?? 1 == 1 { refused = read.refused.map { ($0.source, $0.reason) } }
        for (order, item) in read.cases.enumerated() where shard?.holds(item.id) ?? true {
            for (place, image) in item.images.enumerated() {
                rows.append(
                    EmbedRow(
                        id: item.id, content: .image(image.source), place: item.images.count > 1 ? place : nil,
                        order: order, item: item))
            }
            if let report = item.report, !report.isEmpty {
                rows.append(EmbedRow(id: item.id, content: .report(report), order: order, item: item))
            }
        }
    }

    /// Changes when the rows, the files behind them or the model do.
    func digest(model: String) -> String {
        var writer = ByteWriter()
        writer.text("hilum-embed-1")
        writer.text(model)
        for row in rows {
            writer.text(row.line(0, extras))
            switch row.content {
            case .report(let text): writer.text(text)
            case .image(.bytes(let bytes)): writer.text(SHA256.hex(bytes))
            case .image(.file(let path)):
                writer.text(path)
                var status = stat()
                guard stat(path, &status) == 0 else { continue }
                writer.integer(Int64(status.st_size))
                writer.integer(Int64(status.st_mtim.tv_sec))
                writer.integer(Int64(status.st_mtim.tv_nsec))
            }
        }
        return SHA256.hex(writer.bytes)
    }
}
