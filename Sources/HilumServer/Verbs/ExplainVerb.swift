import HilumArchive
import HilumCore
import HilumImaging
import HilumEmbedding

/// `EXPLAIN (id=… [place=N] | image=… | bytes=N) text="…"`: one object for the whole text, then one a word in the order of the text.
struct ExplainVerb: ReadingVerb {
    let source: ImageOfRequest
    let text: String

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        try request.check(allowed: Verb.explain.keys, takesLiteral: true)
        guard let text = request.value("text"), text.hasWords else {
            throw .refused(.badRequest, "EXPLAIN needs text= with the words to be explained")
        }
        self.text = text
        source = try ImageOfRequest(request, handler)
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let image = try source.decoded(handler)
        let explanation = try handler.archive.explain(image, text: text)
        let grid = explanation.grid
        var builder = ReplyBuilder(tag: tag)
        builder.object { json in
            json.key("score")
            json.score(explanation.score)
            json.member("rows", grid.side)
            json.member("columns", grid.side)
            json.member("image_width", grid.imageWidth)
            json.member("image_height", grid.imageHeight)
            Self.write(grid.region, as: "region", to: &json)
            json.member("reference_images", explanation.referenceCount)
            json.key("noise")
            json.score(explanation.noise)
            Self.write(explanation.total, explanation.heat, grid, to: &json)
        }
        for word in explanation.words {
            builder.object { json in
                json.member("word", word.text)
                json.member("start", word.byteRange.lowerBound)
                json.member("end", word.byteRange.upperBound)
                json.key("weight")
                json.score(word.weight)
                Self.write(word.total, word.evidence, grid, to: &json)
            }
        }
        return builder.ok("words=\(explanation.words.count) patches=\(grid.count)")
    }

    /// Evidence over the patches, row-major, and its hottest place in pixels of the image as it was given.
    private static func write(_ total: Float, _ heat: [Float], _ grid: PatchGrid, to json: inout JSONWriter) {
        let patch = grid.hottest(heat)
        let place = grid.rectangle(of: patch)
        json.key("evidence")
        json.score(total)
        json.key("hottest")
        json.beginObject()
        json.member("row", patch / grid.side)
        json.member("column", patch % grid.side)
        write(place, to: &json)
        json.endObject()
        json.key("heat")
        json.beginArray()
        for value in heat { json.score(value) }
        json.endArray()
    }

    /// A rectangle in pixels of the image as it was given. The grid lies over the smallest square around `region`.
    private static func write(_ place: PixelRect, as key: String, to json: inout JSONWriter) {
        json.key(key)
        json.beginObject()
        write(place, to: &json)
        json.endObject()
    }

    private static func write(_ place: PixelRect, to json: inout JSONWriter) {
        json.member("x", place.x)
        json.member("y", place.y)
        json.member("width", place.width)
        json.member("height", place.height)
    }
}
