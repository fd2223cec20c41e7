import Foundation
import HilumArchive
import HilumCore

/// What a line that names a row of vectors says of its case besides (`--with`), as `hilum import` reads it.
///
/// Each thing stands once: with the first image of the case, or with its report.
struct CaseLine: Equatable {
    /// Whether it brings the fields.
    var hasFields = false
    /// Whether it brings the report.
    var hasReport = false
    /// Whether it names the file of an image, in place of its number.
    var hasPath = false

    /// What `--with` takes.
    static let value = Option.value(
        "with", "WHAT", "what the lines say of each case besides: fields, report, path (of images), with commas between"
    )

    /// - Throws: a usage error for another word.
    init(_ arguments: Arguments) throws {
        for word in (arguments.text("with") ?? "").split(separator: ",") {
            switch word {
            case "fields": hasFields = true
            case "report": hasReport = true
            case "path": hasPath = true
            default:
                throw CommandError.usage("--with takes fields, report and path, with commas between, not '\(word)'")
            }
        }
    }

    init() {}

    /// Writes which image a row is of, by its path where that is wanted and known.
    ///
    /// - Parameter place: nil leaves out the number.
    func write(image place: Int?, path: String?, to json: inout JSONWriter) {
        if hasPath, let path, !path.isEmpty {
            let here = FileManager.default.currentDirectoryPath
            json.member("image", FilePath.isAbsolute(path) ? path : "\(here)/\(path)")
        } else if let place {
            json.member("image", place)
        }
    }

    /// Writes the members of a row's case that stand with this row.
    ///
    /// - Parameters:
    ///   - image: the number of the image in its case, from 0; nil for a report.
    ///   - view: of that image.
    ///   - hasImage: whether the case has one.
    func write(
        image: Int?, view: String?, hasImage: Bool, fields: CaseFields, to json: inout JSONWriter
    ) {
        guard hasFields else { return }
        if image == 0 || image == nil && !hasImage { Self.write(fields, to: &json) }
        if let image, image > 0, let view { json.member("view", view) }
    }

    /// Writes fields as a manifest has them; metadata whose keys mean something else in lines are left out.
    private static func write(_ fields: CaseFields, to json: inout JSONWriter) {
        var flat = fields
        flat.metadata = [:]
        flat.write(to: &json)
        let taken: Set = [
            "row", "id", "kind", "image", "case", "report", "report_file", "seal", "image_path", "caption", "labels",
        ]
        for (key, value) in fields.metadata.sorted(by: { $0.key < $1.key }) where !taken.contains(key) {
            json.member(key, value)
        }
    }
}
