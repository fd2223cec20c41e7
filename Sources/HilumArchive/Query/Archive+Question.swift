import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import LMDB

/// The question as vectors: one for each graph, the same unless a stored case is part of it.
struct Question {
    var image: [Float]
    var report: [Float]
    /// The numbers of the cases it names.
    var selves: Set<UInt32> = []
    /// Those of them that it is unlike.
    var unlikes: Set<UInt32> = []
    /// What the search uses to its end, whatever is switched meanwhile.
    let serving: Serving
    /// Whether only words are asked, so that the vectors are zero: no model can encode them in this space.
    var isWithoutVector = false
    /// Measures the search, where somebody wants to know.
    var trace: SearchTrace?
    /// The largest cosines that pictures and reports can have with it.
    private var largest: (image: Float, report: Float) = (1, 1)

    subscript(kind: VectorKind) -> [Float] { kind == .image ? image : report }

    /// - Parameters:
    ///   - image, report: the vectors to ask each graph with.
    ///   - serving: what the search uses to its end.
    init(image: [Float], report: [Float], serving: Serving) {
        self.image = image
        self.report = report
        self.serving = serving
    }

    /// Notes how near pictures and reports can be at most, once its vectors are of length 1.
    mutating func measure() {
        guard let parts = serving.parts else { return }
        largest = (parts.largestCosine(image, ofImages: true), parts.largestCosine(report, ofImages: false))
    }

    /// The score of a vector of one kind: its cosine with the question, divided by the root of the largest one that its kind can have.
    ///
    /// Within a kind that is the cosine. Between kinds the cosine alone buries pictures behind reports that say something else; that of what
    /// both kinds share, which is divided by the largest itself, puts pictures that resemble little before reports that say it.
    func score(_ cosine: Float, _ kind: VectorKind) -> Float {
        let largest = kind == .image ? largest.image : largest.report
        return largest == 1 ? cosine : max(-1, min(1, cosine / max(largest, Self.leastLargest).squareRoot()))
    }

    /// A question may have nothing in common with a kind.
    private static let leastLargest: Float = 1e-3
}

extension Archive {
    func question(_ request: SearchRequest, _ serving: Serving) throws -> Question {
        guard !request.parts.isEmpty else {
            throw ArchiveError(.badRequest, "a search needs a text, an image, an id or a vector")
        }
        guard let dimension = serving.dimension else {
            throw ArchiveError(.notReady, "\(path): the archive is empty and has no model yet; index something first")
        }
        var question = Question(
            image: [Float](repeating: 0, count: dimension), report: [Float](repeating: 0, count: dimension),
            serving: serving)
        let isOfWords = try request.corpus != nil || asksWordsAlone(request, serving)
        for part in request.parts {
            if isOfWords, case .text(let text) = part.query {
                try checkText(text)
                continue
            }
            guard part.weight.isFinite else { throw ArchiveError(.badRequest, "a weight must be a number") }
            let (image, report, number) = try vectors(
                of: part.query, target: request.target, serving, dimension: dimension)
            for index in 0..<dimension {
                question.image[index] += part.weight * image[index]
                question.report[index] += part.weight * report[index]
            }
            guard let number else { continue }
            question.selves.insert(number)
            if part.weight < 0 { question.unlikes.insert(number) }
        }
        if isOfWords, request.mode == .words,
            request.parts.allSatisfy({ if case .text = $0.query { true } else { false } })
        {
            question.isWithoutVector = true
            return question
        }
        guard let image = unitVector(question.image), let report = unitVector(question.report) else {
            throw ArchiveError(.badVector, "the parts of the question cancel each other out; change the weights")
        }
        question.image = image
        question.report = report
        question.measure()
        return question
    }

    /// Whether texts ask the words of reports and no vectors, because the vectors that are searched were imported.
    ///
    /// - Throws: `.notReady` where such a text is all that there is to ask vectors with.
    private func asksWordsAlone(_ request: SearchRequest, _ serving: Serving) throws(ArchiveError) -> Bool {
        let hasText = request.parts.contains { if case .text = $0.query { true } else { false } }
        guard hasText, serving.embedder == nil, serving.space != nil else { return false }
        let isTextAlone = request.parts.allSatisfy { if case .text = $0.query { true } else { false } }
        if request.mode == .words || request.mode != .vector && !isTextAlone { return true }
        throw cannotEncode(serving)
    }

    private func cannotEncode(_ serving: Serving) -> ArchiveError {
        guard let space = serving.space else {
            return ArchiveError(.notReady, "\(path): no model is loaded, so texts and images cannot be searched for")
        }
        return ArchiveError(
            .notReady,
            "the vectors of this archive are those of the space \(space), and no model here can encode a text or an image in it; "
                + "ask with a vector of that encoder (vec=) or a stored case (id=), or ask the words of reports (mode=words)"
        )
    }

    func checkText(_ text: String) throws(ArchiveError) {
        guard !text.allSatisfy(\.isWhitespace) else { throw ArchiveError(.badRequest, "the text is empty") }
        guard text.utf8.count <= ArchiveLimits.reportByteCount else {
            throw ArchiveError(.limit, "the text is longer than \(ArchiveLimits.reportByteCount) bytes")
        }
    }

    /// The vector of a text or an image as the model gives it, to be asked with later (`Query.vector`).
    ///
    /// - Throws: `.notReady` without a model; `.badRequest`, `.limit`, `.badImage`.
    public func vector(of query: Query) throws -> [Float] {
        try withArchiveErrors {
            let serving = self.serving
            switch query {
            case .text(let text):
                try checkText(text)
                return try ready(serving).embed(reports: [text], threads: defaultThreadCount)
            case .image(let bytes):
                let embedder = try ready(serving)
                let image: GrayImage
                do { image = try ImageDecoder.decode(bytes) } catch { throw ArchiveError(.badImage, "\(error)") }
                return try embedder.embed(images: [image], threads: defaultThreadCount)
            case .id, .vector: throw ArchiveError(.badRequest, "only a text or an image is encoded")
            }
        }
    }

    /// The unit vectors to ask the image graph and the report graph with.
    private func vectors(
        of query: Query, target: SearchTarget, _ serving: Serving, dimension: Int
    ) throws -> ([Float], [Float], UInt32?) {
        switch query {
        case .text(let text):
            try checkText(text)
            let vector = try unit(try ready(serving).embed(reports: [text], threads: defaultThreadCount), dimension)
            return (vector, vector, nil)
        case .image(let bytes):
            let embedder = try ready(serving)
            let image: GrayImage
            do { image = try ImageDecoder.decode(bytes) } catch { throw ArchiveError(.badImage, "\(error)") }
            let vector = try unit(try embedder.embed(images: [image], threads: defaultThreadCount), dimension)
            return (vector, vector, nil)
        case .vector(let given):
            guard given.count == dimension else {
                throw ArchiveError(.badVector, "the vector has \(given.count) values, the archive's have \(dimension)")
            }
            let vector = try unit(given, dimension)
            return (vector, vector, nil)
        case .id(let id):
            return try store.environment.read { transaction in
                guard let number = try store.number(transaction, of: id) else {
                    throw ArchiveError(.notFound, "there is no case \(id)")
                }
                let key = serving.key(number)
                var image = try store.vector(transaction, .image, key, dimension: dimension)
                if image == nil, let entry = try store.entry(transaction, number),
                    let further = entry.items(.image, of: number, in: serving.generation).first
                {
                    image = try store.vector(transaction, .image, serving.key(further), dimension: dimension)
                }
                let report = try store.vector(transaction, .report, key, dimension: dimension)
                guard let first = target == .report ? report ?? image : image ?? report else {
                    let entry = try store.entry(transaction, number)
                    if let entry, entry.missingImageCount(in: serving.generation) > 0 {
                        throw ArchiveError(
                            .badRequest, "the image of case \(id) could not be encoded again, so nothing is near it")
                    }
                    if entry?.lacksReportVector(in: serving.generation) == true {
                        throw ArchiveError(
                            .badRequest,
                            "the case \(id) has only a report without known words, so nothing is near it; search for its words"
                        )
                    }
                    throw store.damaged("case \(number) has no vector")
                }
                return (first, first, number)
            }
        }
    }

    private func ready(_ serving: Serving) throws -> any Embedder {
        guard let embedder = serving.embedder else { throw cannotEncode(serving) }
        return embedder
    }

    private func unit(_ vector: [Float], _ dimension: Int) throws -> [Float] {
        guard vector.count == dimension, let unit = unitVector(vector) else {
            throw ArchiveError(.badVector, "the vector is not finite or has no direction")
        }
        return unit
    }
}
