import HilumArchive
import HilumImaging

/// The one image that EXPLAIN and PICTURE look at: one of a stored case, or one that was sent or named.
enum ImageOfRequest {
    /// An image of a stored case, by its place from 0.
    case id(String, place: Int)
    /// The bytes of an image file.
    case image([UInt8])

    /// - Throws: BADREQ for none or two of them, and what `RequestHandler.image(of:)` throws.
    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        let place = try request.integer("place", in: 1...ArchiveLimits.imageCount)
        switch (request.value("id"), try handler.image(of: request)) {
        case (.some, nil): self = .id(try request.id(), place: (place ?? 1) - 1)
        case (nil, let bytes?):
            if place != nil { throw .refused(.badRequest, "place= is of the images of a case, so it needs id=") }
            self = .image(bytes)
        case (nil, nil):
            throw .refused(.badRequest, "\(request.word) needs id=, bytes= with an image, or image=")
        default: throw .refused(.badRequest, "id= and an image exclude each other")
        }
    }

    /// Reads the image of a stored case, unless that was done.
    ///
    /// - Returns: the bytes of the image file.
    /// - Throws: `ArchiveError`.
    mutating func load(_ handler: RequestHandler) throws -> [UInt8] {
        switch self {
        case .image(let bytes): return bytes
        case .id(let id, let place):
            let bytes = try handler.archive.imageBytes(of: id, image: place)
            self = .image(bytes)
            return bytes
        }
    }

    /// The image, decoded.
    ///
    /// - Throws: `ArchiveError`; BADIMAGE.
    func decoded(_ handler: RequestHandler) throws -> GrayImage {
        var image = self
        let bytes = try image.load(handler)
        do { return try ImageDecoder.decode(bytes) } catch { throw ServerError.refused(.badImage, "\(error)") }
    }
}
