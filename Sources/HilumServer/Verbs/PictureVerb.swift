import Foundation
import HilumArchive
import HilumCore
import HilumImaging

/// `PICTURE (id=… [place=N] | image=… | bytes=N) [side=N]`: one object with an image as an 8-bit PNG that any program can show.
///
/// A window of its own belongs to DICOM files, which `hilum-dicom` applies. Of other pictures whose samples fill less than a quarter of
/// their range, as 12 bits within 16 do, the largest sample becomes white.
struct PictureVerb: ReadingVerb {
    /// Of the longer side, in pixels.
    static let sides = 16...1024
    private static let standardSide = 512

    private var source: ImageOfRequest
    let side: Int

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        try request.check(allowed: Verb.picture.keys, takesLiteral: true)
        source = try ImageOfRequest(request, handler)
        side = try request.integer("side", in: Self.sides) ?? Self.standardSide
    }

    mutating func takesLong(_ handler: RequestHandler) throws -> Bool {
        handler.takesLong([try source.load(handler)])
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let image = try source.decoded(handler)
        let shown = Self.brightened(Self.reduced(image, to: side))
        let png: [UInt8]
        do { png = try PNGEncoder.encode(shown) } catch { throw ServerError.refused(.internal, "\(error)") }
        var builder = ReplyBuilder(tag: tag)
        builder.object { json in
            json.member("width", shown.width)
            json.member("height", shown.height)
            json.member("image_width", image.width)
            json.member("image_height", image.height)
            json.member("png", Data(png).base64EncodedString())
        }
        return builder.ok("bytes=\(png.count)")
    }

    /// The image with a longer side of at most `side`; smaller ones stay as they are.
    static func reduced(_ image: GrayImage, to side: Int) -> GrayImage {
        let longer = max(image.width, image.height)
        guard longer > side else { return image }
        func scaled(_ length: Int) -> Int { max(1, (length * side + longer / 2) / longer) }
        return image.resized(width: scaled(image.width), height: scaled(image.height))
    }

    /// A picture that uses only the lower quarter of the range, over all of it.
    static func brightened(_ image: GrayImage) -> GrayImage {
        guard let most = image.samples.max(), most > 0, most < 16_384 else { return image }
        var bright = image
        for index in bright.samples.indices {
            bright.samples[index] = UInt16((UInt32(bright.samples[index]) * 65_535) / UInt32(most))
        }
        return bright
    }
}
