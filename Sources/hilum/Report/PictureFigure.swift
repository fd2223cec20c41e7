import Foundation
import HilumCore

/// An image with what answers in it, and a line below.
struct PictureFigure {
    let picture: AnsweredQuestion.Picture
    let caption: String
    /// `query` or `found`.
    let kind: String
    let labels: PageLabels

    var html: HTML {
        var heat: HTML = ""
        if let evidence = picture.evidence, let overlay = evidence.overlay {
            let names = ["left", "top", "width", "height"]
            let place = zip(names, evidence.place).map { "\($0):\(String(format: "%.3f", 100 * $1))%" }
            let data = Data(overlay).base64EncodedString()
            heat = """
                <img class="heat" alt="\(labels.word("heat"))" style="\(place.joined(separator: ";"))" src="data:image/png;base64,\(data)">
                """
        }
        return """
            <figure class="\(kind)"><div class="film"><img alt="\(caption)" width="\(picture.width)" height="\(picture.height)" \
            src="data:image/png;base64,\(picture.png)">\(heat)</div><figcaption>\(caption)</figcaption></figure>
            """
    }
}
