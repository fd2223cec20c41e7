import HilumCore

/// Files of the page of `hilum view` that pages without it use too: its texts and its style.
struct PageResources {
    let labels: PageLabels
    /// For a `style` element.
    let style: HTML

    /// - Throws: `CommandError` where the files are not beside the program.
    init(_ language: PageLabels.Language) throws {
        let places = ResourceBundle.places(of: "hilum-view").map { $0 + "/page" }
        guard let folder = places.first(where: ResourceBundle.isThere) else {
            throw CommandError(.failed, "\(places[0]): the files of pages are not beside the program")
        }
        func read(_ name: String) throws -> [UInt8] {
            try FileIO.read(folder + "/" + name, limitInBytes: 1 << 20)
        }
        labels = try PageLabels(language, json: read("labels.json"), path: folder + "/labels.json")
        let styles = try ["view.css", "report.css"].map { String(decoding: try read($0), as: UTF8.self) }
        style = HTML(stringLiteral: styles.joined(separator: "\n"))
    }

    /// A page that needs nothing but itself: no script, nothing that is fetched.
    ///
    /// - Parameter verb: that made it.
    func page(title: String, verb: String, _ body: HTML) -> String {
        // Where a browser looks for a rule, it finds one that forbids everything else.
        let policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        let page: HTML = """
            <!doctype html>
            <html lang="\(labels.language.rawValue)">
            <head>
            <meta charset="utf-8">
            \(HTML(stringLiteral: OutputFile.pageMark("hilum \(verb)")))
            <meta http-equiv="Content-Security-Policy" content="\(policy)">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title)</title>
            <style>
            \(style)</style>
            </head>
            <body class="sheet">
            \(body)
            </body>
            </html>

            """
        return page.text
    }
}
