import Foundation
import HilumArchive
import HilumCore
import HilumImaging

/// The page of `hilum quarantine --sheet`: each image with its reason, and with boxes around the text that was found.
struct QuarantinePage {
    let images: [QuarantinedImage]
    let resources: PageResources

    private static let side = 400

    /// The page.
    ///
    /// - Parameter picture: brings the picture of an image; nil for one that cannot be read.
    func html(_ picture: (QuarantinedImage) -> GrayImage?) -> String {
        let cards = HTML.joined(images.map { card($0, picture($0)) })
        let body: HTML = """
            <header>
            <h1>Quarantine</h1>
            <p class="quiet">Hilum \(Release.version)</p>
            </header>
            <main>
            <p>\(images.count) images were set aside, because words that name somebody may be written into them. Release those that name
            nobody, and drop the others: hilum quarantine ARCHIVE --release NAME --drop NAME</p>
            <ol class="tiles">
            \(cards)</ol>
            </main>
            """
        return resources.page(title: "Quarantine – Hilum", verb: "quarantine", body)
    }

    private func card(_ image: QuarantinedImage, _ picture: GrayImage?) -> HTML {
        let reason =
            image.reason == .tag
            ? "its tags say that the device wrote into the picture" : "text was found near its border"
        let film: HTML
        if let picture, let png = try? PNGEncoder.encode(picture.reduced(to: Self.side)) {
            film =
                "<div class=\"film\">\(HTML.image(png: png, alternative: "image \(image.name)"))\(boxes(picture))</div>"
        } else {
            film = "<p class=\"no-picture\">the image cannot be read</p>"
        }
        let rows = [
            ("case", image.id), ("view", image.view ?? ""), ("since", image.date), ("source", image.source ?? ""),
        ]
        let facts = rows.filter { !$0.1.isEmpty }.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd></div>" as HTML }
        return """
            <li class="card">\(film)<div class="body"><h2>\(image.name)</h2><p>\(reason)</p>\
            <dl class="facts-list">\(HTML.joined(facts))</dl></div></li>

            """
    }

    private func boxes(_ picture: GrayImage) -> HTML {
        func share(_ part: Int, _ whole: Int) -> String { String(format: "%.2f%%", 100 * Double(part) / Double(whole)) }
        return HTML.joined(
            BorderText.lines(in: picture).map { line -> HTML in
                let (place, width, height) = (line.place, picture.width, picture.height)
                return """
                    <span class="box" style="left:\(share(place.x, width));top:\(share(place.y, height));\
                    width:\(share(place.width, width));height:\(share(place.height, height))"></span>
                    """
            })
    }
}

extension GrayImage {
    /// With a longer side of at most `side`; smaller ones stay as they are.
    fileprivate func reduced(to side: Int) -> GrayImage {
        let longer = max(width, height)
        guard longer > side else { return self }
        return resized(width: max(1, width * side / longer), height: max(1, height * side / longer))
    }
}
