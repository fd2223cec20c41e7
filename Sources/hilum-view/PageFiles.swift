import HilumCore

/// The files of the page, read once from beside the program.
struct PageFiles: Sendable {
    private static let names: [(name: String, type: HTTPReply.ContentType)] = [
        ("page.html", .html), ("view.css", .css), ("main.js", .script), ("question.js", .script), ("hits.js", .script),
        ("case.js", .script), ("tools.js", .script), ("words.js", .script),
    ]
    /// English and Japanese texts, which the page gets as a module, as browsers import no JSON.
    private static let labels = (file: "labels.json", module: "labels.js")

    private var files: [String: (type: HTTPReply.ContentType, bytes: [UInt8])] = [:]

    /// - Throws: `.pageMissing`.
    init() throws(ViewError) {
        let places = ResourceBundle.places(of: "hilum-view").map { $0 + "/page" }
        guard let folder = places.first(where: ResourceBundle.isThere) else {
            throw ViewError(.pageMissing, "\(places[0]): the files of the page are not beside the program")
        }
        for (name, type) in Self.names { files[name] = (type, try Self.read(folder, name)) }
        let labels = try Self.read(folder, Self.labels.file)
        files[Self.labels.module] = (.script, Array("export default ".utf8) + labels + Array(";\n".utf8))
    }

    private static func read(_ folder: String, _ name: String) throws(ViewError) -> [UInt8] {
        do { return try FileIO.read(folder + "/" + name, limitInBytes: 1 << 20) } catch {
            throw ViewError(.pageMissing, "\(error)")
        }
    }

    /// The file of that name; the page itself for an empty one.
    func reply(_ name: String) -> HTTPReply? {
        files[name.isEmpty ? "page.html" : name].map { HTTPReply(200, $0.type, $0.bytes) }
    }
}
