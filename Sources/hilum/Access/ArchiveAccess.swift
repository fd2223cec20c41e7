import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumServer

/// Opens an archive for one command.
///
/// - Parameters:
///   - withModel: whether texts or images will be encoded; otherwise the model is not loaded. An archive of imported vectors has none,
///     and says so when it is asked to encode something.
///   - filter: the command of a program that each report goes through before it is stored.
///   - keepsGraphs: whether more than a few searches will be made, or the graphs be checked; always so for changes.
/// - Throws: `CommandError` with status 1 if there is no archive at `path`, so that scripts can tell a missing archive from a
///   missing case (status 4).
func openArchive(
    _ path: String, _ mode: Archive.Mode, withModel: Bool = false, filter: String? = nil, followsLeader: Bool = false,
    keepsGraphs: Bool = false, lending: ((Archive) -> Void)? = nil
) throws -> Archive {
    do {
        var options = Archive.Options()
        options.followsLeader = followsLeader
        options.keepsGraphs = keepsGraphs || mode == .readWrite
        options.reportFilter = try filter.map { try ReportFilter($0) }
        options.loadModel = loadForArchive
        return try Archive(
            path: path, mode: mode, embedder: withModel ? try modelOrSpace(ofArchive: path) : nil, options: options,
            lending: lending)
    } catch let error as ArchiveError where error.code == .notFound {
        throw CommandError(.failed, error.description)
    }
}

/// A hit to display, from an archive or from a daemon.
struct FoundCase {
    let rank: Int
    let id: String
    let score: Double
    let via: String
    let fields: CaseFields
    let report: String?
    /// Whether it has a picture, which `picture` need not be able to show.
    let hasPicture: Bool
    /// The picture that was stored, where hits are drawn; nil also for a file that is another one by now.
    var picture: GrayImage?
    /// The place of that image in the case, from 0.
    let place: Int
    /// The image that was near, from 0, and its view; nil where the case has one image.
    let image: Int?
    let imageView: String?
    /// What vectors and words made of it, where both were asked.
    let legs: Hit.Legs?
    /// What it stands for, where one hit a group was asked for.
    let group: Hit.Group?
    let highlights: [Range<Int>]

    init(_ hit: Hit) {
        rank = hit.rank
        id = hit.id
        score = Double(hit.score)
        via = hit.via.rawValue
        fields = hit.record.fields
        report = hit.record.report
        place = hit.image ?? 0
        hasPicture = hit.record.images.indices.contains(place)
        image = hit.record.images.count > 1 ? hit.image : nil
        imageView = image == nil ? nil : hit.record.images[place].view
        legs = hit.legs
        group = hit.group
        highlights = hit.highlights
    }

    /// Reads one line of a daemon's reply.
    init?(line: String) {
        guard let object = try? JSON(parsing: line), let rank = object["rank"]?.integer, let id = object["id"]?.string,
            let score = object["score"]?.double
        else { return nil }
        self.rank = rank
        self.id = id
        self.score = score
        via = object["via"]?.string ?? ""
        fields = CaseFields(object)
        report = object["report"]?.string
        hasPicture = object["path"]?.string != nil
        image = object["image"]?.integer.map { $0 - 1 }
        place = image ?? 0
        imageView = object["image_view"]?.string
        legs = object["fused"]?.double.map { fused in
            Hit.Legs(
                fused: Float(fused), vectorRank: object["vector"]?["rank"]?.integer,
                wordRank: object["words"]?["rank"]?.integer,
                wordScore: object["words"]?["score"]?.double.map { Float($0) })
        }
        group = object["group"].flatMap { object in
            guard let key = object["by"]?.string, let value = object["value"]?.string else { return nil }
            return Hit.Group(key: key, value: value, others: object["others"]?.integer ?? 0)
        }
        highlights = (object["highlights"]?.array ?? []).compactMap { pair in
            guard let first = pair.array?.first?.integer, let end = pair.array?.last?.integer, first <= end else {
                return nil
            }
            return first..<end
        }
    }

    /// The hit as one line of JSON with the keys of the protocol; what a case does not have is left out.
    func json(withReport: Bool) -> String {
        var json = JSONWriter()
        json.beginObject()
        json.member("rank", rank)
        json.member("id", id)
        json.key("score")
        JSON.number(score, decimals: 6).write(to: &json)
        json.member("via", via)
        if let image { json.member("image", image + 1) }
        if let imageView { json.member("image_view", imageView) }
        fields.write(to: &json)
        group?.write(to: &json)
        legs?.write(score: Float(score), to: &json)
        if withReport, let report { json.member("report", report) }
        Hit.write(highlights: highlights, to: &json)
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// The hit on a contact sheet.
    fileprivate func drawn(rank: Int) -> ContactSheet.Hit {
        let details = [imageView ?? fields.view, fields.date].compactMap { $0 }.joined(separator: "  ")
        return ContactSheet.Hit(
            rank: rank, score: score, id: id, via: via, details: details, labels: fields.findings, text: report ?? "",
            image: picture, isImageMissing: picture == nil && hasPicture)
    }

    /// Hits as a table for the terminal.
    static func table(_ hits: [FoundCase]) -> String {
        let isGrouped = hits.contains { $0.group != nil }
        var table = TextTable(
            [
                ("rank", .right), ("score", .right), ("id", .left), ("via", .left), ("patient", .left), ("view", .left),
                ("date", .left), ("findings", .left),
            ] + (isGrouped ? [("others", .right)] : []))
        for hit in hits {
            table.append(
                [
                    String(hit.rank), String(format: "%.4f", hit.score), shown(hit.id), hit.via,
                    shown(hit.fields.patient ?? ""),
                    shown(hit.fields.view ?? ""), shown(hit.fields.date ?? ""),
                    shown(hit.fields.findings.joined(separator: ", ")),
                ] + (isGrouped ? [hit.group.map { String($0.others) } ?? ""] : []))
        }
        return table.text
    }
}

/// `text` on one line without control characters, so that stored text cannot control the terminal.
func shown(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
}

/// Pictures of stored cases. Whoever draws one compares it with what was stored: another film may lie at its path by now, and would be shown
/// beside the wrong report.
extension FoundCase {
    /// Asks an archive for the picture.
    mutating func takePicture(from archive: Archive) {
        picture = (try? archive.imageBytes(of: id, image: place)).flatMap { try? ImageDecoder.decode($0) }
    }

    /// Asks a daemon for the picture.
    mutating func takePicture(from client: Client) { picture = Self.picture(of: id, place: place, from: client) }

    /// An image of a stored case as a daemon shows it, at most 1,024 pixels wide and high; nil where it has none, or another one by now.
    static func picture(of id: String, place: Int = 0, from client: Client) -> GrayImage? {
        let line = "PICTURE id=\(Argument.quoted(id)) place=\(place + 1) side=1024"
        guard let reply = try? client.request(line), reply.status.isOK,
            let text = reply.objects.first.flatMap({ try? JSON(parsing: $0) })?["png"]?.string,
            let bytes = Data(base64Encoded: text)
        else { return nil }
        return try? ImageDecoder.decode(Array(bytes))
    }
}

/// Writes a contact sheet of queries and their hits, which only its owner may read.
func writeContactSheet(
    _ rows: [(query: ContactSheet.Query, hits: [FoundCase])], title: String, to file: OutputFile
) throws {
    let drawn = rows.map { row in
        ContactSheet.Row(query: row.query, hits: row.hits.enumerated().map { $1.drawn(rank: $0 + 1) })
    }
    try file.write(picture: ContactSheet(title: title, rows: drawn).render(), isPrivate: true)
}
