extension RequestHandler {
    /// `EXPLAIN (id=… | image=… | bytes=N) text="…"`: one object for the whole text, then one a word in the order of the text.
    func explain(_ request: Request) throws -> Reply {
        if request.arguments.first.map({ $0.key.isEmpty && $0.value.uppercased() == "SEARCH" }) == true {
            throw ServerError.refused(
                .unknown, "EXPLAIN SEARCH is not available in this release; EXPLAIN id=… text=\"…\" is")
        }
        if let fault = Self.foreignArgument(of: request, allowed: ["id", "image", "text"], takesLiteral: true) {
            throw ServerError.refused(.badRequest, fault)
        }
        guard let text = request.value("text"), text.unicodeScalars.contains(where: { !$0.properties.isWhitespace })
        else { throw ServerError.refused(.badRequest, "EXPLAIN needs text= with the words to be explained") }
        let bytes = try image(of: request)
        let explained: ServiceExplainedImage
        switch (request.value("id"), bytes) {
        case (let id?, nil): explained = .id(try Self.checked(id: id))
        case (nil, let bytes?): explained = .image(bytes)
        case (nil, nil):
            throw ServerError.refused(.badRequest, "EXPLAIN needs id=, bytes= with an image, or image=")
        default: throw ServerError.refused(.badRequest, "id= and an image exclude each other")
        }
        let explanation = try service.explain(explained, text: text)
        var builder = ReplyBuilder(tag: request.tag)
        builder.object { json in
            json.key("score")
            json.score(explanation.score)
            json.key("rows")
            json.integer(explanation.rows)
            json.key("columns")
            json.integer(explanation.columns)
            json.key("reference_images")
            json.integer(explanation.referenceCount)
            Self.write(explanation.whole, to: &json)
        }
        for word in explanation.words {
            builder.object { json in
                json.key("word")
                json.string(word.text)
                json.key("start")
                json.integer(word.range.lowerBound)
                json.key("end")
                json.integer(word.range.upperBound)
                json.key("weight")
                json.score(word.weight)
                Self.write(word.map, to: &json)
            }
        }
        return builder.ok("words=\(explanation.words.count) patches=\(explanation.rows * explanation.columns)")
    }

    private static func write(_ map: ServiceExplanation.Map, to json: inout JSONWriter) {
        json.key("evidence")
        json.score(map.total)
        json.key("hottest")
        json.beginObject()
        for (key, value) in [
            ("row", map.hottest.row), ("column", map.hottest.column), ("x", map.hottest.x), ("y", map.hottest.y),
            ("width", map.hottest.width), ("height", map.hottest.height),
        ] {
            json.key(key)
            json.integer(value)
        }
        json.endObject()
        json.key("heat")
        json.beginArray()
        for value in map.heat { json.score(value) }
        json.endArray()
    }
}
