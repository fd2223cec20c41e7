import HilumArchive
import HilumCore

/// `PUT`: stores or replaces a case.
struct PutVerb {
    let input: CaseInput

    /// Parses the arguments, and reads the image that they name.
    ///
    /// - Throws: `ServerError.refused` with BADREQ, BADIMAGE, DENIED, NOTFOUND or LIMIT.
    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        var input = CaseInput(id: try request.id())
        for argument in request.arguments {
            try request.refuseBareWord(argument)
            if argument.isNegated {
                throw .refused(.badRequest, "PUT does not take \(argument.key)!=; write \(argument.key)=")
            }
            switch argument.key {
            case "id", "image", Request.deadlineKey: break
            case "report": input.report = argument.value.hasWords ? argument.value : nil
            case CaseFields.findingsKey: input.fields.findings = argument.value.split(separator: ",").map(String.init)
            default: input.fields.set(argument.key, to: argument.value)
            }
        }
        if let bytes = try handler.image(of: request) { input.image = .bytes(bytes) }
        guard input.vectorCount > 0 else {
            throw .refused(.badRequest, "PUT needs an image (bytes= or image=) or a report= that is not empty")
        }
        self.input = input
    }

    /// The reply, once it is known what became of the case.
    static func reply(to request: Request, id: String, _ outcome: PutOutcome) -> Reply {
        let builder = ReplyBuilder(tag: request.tag)
        let name = ReplyBuilder.statusValue(id)
        switch outcome {
        case .stored(let vectors, let notes), .replaced(let vectors, let notes):
            // What is odd about several images in one value, as a status has one value a key.
            let note = notes.isEmpty ? "" : " note=" + ReplyBuilder.statusValue(notes.joined(separator: "; "))
            return builder.ok("id=\(name) vectors=\(vectors)" + note)
        case .unchanged(let vectors): return builder.ok("id=\(name) vectors=\(vectors) unchanged=1")
        // What a client sends has no files that could be those of a deleted case.
        case .deleted: return builder.ok("id=\(name) deleted=1")
        case .refused(let error): return .error(ReplyCode(error.code), error.description, tag: request.tag)
        }
    }
}
