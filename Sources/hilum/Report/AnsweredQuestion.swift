import HilumCore
import HilumImaging
import HilumServer

/// A question with what was found: hits, pictures and evidence, as the protocol brings them.
struct AnsweredQuestion {
    /// An image as the page shows it.
    struct Picture {
        /// A PNG in base 64.
        let png: String
        let width: Int
        let height: Int
        var evidence: Evidence?
    }

    /// Which parts of an image answer to words.
    struct Evidence {
        /// A PNG; nil where no part answers.
        let overlay: [UInt8]?
        /// Where the overlay lies, in shares of the sides of the image: left, top, width, height.
        let place: [Double]
    }

    /// A case that was found.
    struct Hit {
        let json: JSON
        /// Free metadata.
        let metadata: [(key: String, value: String)]
        /// Nil for one that cannot be read.
        let pictures: [Picture?]
    }

    let hits: [Hit]
    /// The images of the question, each with the id of its case; nil for one that was given.
    let asked: [(id: String?, picture: Picture)]
    /// The status line of the search.
    let status: Client.Status

    /// Asks.
    ///
    /// - Parameters:
    ///   - words: whose evidence is shown; nil for none.
    ///   - side: of pictures, the longer one.
    /// - Throws: `CommandError` for a refusal, `ServerError`.
    init(_ call: SearchCall, words: String?, side: Int, from answers: some Answering) throws {
        let (line, literal) = try call.line(with: ["report", "highlights", "images", "said"])
        let reply = try answers.request(line, literal: literal)
        if let code = reply.status.code {
            throw CommandError(code == .notFound ? .notFound : .failed, "\(code.rawValue): \(reply.status.text)")
        }
        status = reply.status
        let camera = Camera(words: words, side: side, answers: answers)
        var asked: [(id: String?, picture: Picture)] = []
        if let bytes = call.imageBytes, let picture = try camera.picture("", literal: bytes) {
            asked.append((nil, picture))
        }
        for id in call.ids {
            if let picture = try camera.picture("id=\(Argument.quoted(id)) place=1") { asked.append((id, picture)) }
        }
        self.asked = asked
        hits = try reply.objects.map { line in
            let json = try JSON(parsing: line)
            let id = json["id"]?.string ?? ""
            let count = json["images"]?.array?.count ?? 0
            let pictures = try (0..<count).map { try camera.picture("id=\(Argument.quoted(id)) place=\($0 + 1)") }
            return Hit(json: json, metadata: try Self.metadata(of: id, from: answers), pictures: pictures)
        }
    }

    private static func metadata(
        of id: String, from answers: some Answering
    ) throws -> [(key: String, value: String)] {
        let reply = try answers.request("GET id=\(Argument.quoted(id)) with=meta", literal: nil)
        guard reply.status.isOK, let object = reply.objects.first,
            case .object(let members)? = try JSON(parsing: object)["metadata"]
        else { return [] }
        return members.compactMap { member in member.value.string.map { (member.key, $0) } }
    }
}

/// Brings pictures and what answers in them.
private struct Camera<Answers: Answering> {
    let words: String?
    let side: Int
    let answers: Answers

    /// - Parameter what: names the image as PICTURE and EXPLAIN take it; empty for a literal.
    /// - Returns: nil for an image that cannot be read.
    func picture(_ what: String, literal: [UInt8]? = nil) throws -> AnsweredQuestion.Picture? {
        let reply = try answers.request("PICTURE \(what) side=\(side)", literal: literal)
        guard reply.status.isOK, let json = try reply.objects.first.map({ try JSON(parsing: $0) }),
            let png = json["png"]?.string, let width = json["width"]?.integer, let height = json["height"]?.integer
        else { return nil }
        return .init(png: png, width: width, height: height, evidence: try evidence(what, literal))
    }

    private func evidence(_ what: String, _ literal: [UInt8]?) throws -> AnsweredQuestion.Evidence? {
        guard let words else { return nil }
        let reply = try answers.request("EXPLAIN \(what) text=\(Argument.quoted(words))", literal: literal)
        guard reply.status.isOK, let json = try reply.objects.first.map({ try JSON(parsing: $0) }) else { return nil }
        func number(_ key: String, of json: JSON? = nil) -> Double { (json ?? .null)[key]?.double ?? 0 }
        let heat = (json["heat"]?.array ?? []).map { Float($0.double ?? 0) }
        guard let rows = json["rows"]?.integer, let columns = json["columns"]?.integer, rows > 0, columns > 0,
            heat.count == rows * columns, let region = json["region"]
        else { return nil }
        let (width, height) = (number("image_width", of: json), number("image_height", of: json))
        guard width > 0, height > 0 else { return nil }
        // The grid lies over the smallest square around the region that the model saw.
        let longer = max(number("width", of: region), number("height", of: region))
        let left = number("x", of: region) + (number("width", of: region) - longer) / 2
        let top = number("y", of: region) + (number("height", of: region) - longer) / 2
        let overlay = try HeatOverlay.png(heat, columns: columns, rows: rows, noise: Float(number("noise", of: json)))
        return .init(overlay: overlay, place: [left / width, top / height, longer / width, longer / height])
    }
}
