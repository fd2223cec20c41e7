import Testing

@testable import HilumImaging

@Suite struct PNGMarkTests {
    private static let image = RGBImage(width: 3, height: 2, color: RGBColor(10, 200, 30))

    @Test("A marked picture is known again by its program and by no other, and decodes to the same pixels")
    func marks() throws {
        let plain = try PNGEncoder.encode(Self.image)
        let marked = PNGMark.marked(plain, program: "hilum search")
        #expect(PNGMark.isMarked(Array(marked.prefix(100)), program: "hilum search"))
        #expect(!PNGMark.isMarked(marked, program: "hilum explain"))
        #expect(!PNGMark.isMarked(marked, program: "hilum sear"))
        #expect(!PNGMark.isMarked(plain, program: "hilum search"))
        #expect(!PNGMark.isMarked([], program: "hilum search"))
        // libpng checks the chunk's checksum.
        #expect(try ImageDecoder.decode(marked) == ImageDecoder.decode(plain))
    }
}
