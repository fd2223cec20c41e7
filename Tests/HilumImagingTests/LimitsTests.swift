import Foundation
import HilumCore
import Testing

@testable import HilumImaging

@Suite(.serialized) struct LimitsTests {
    @Test func `A bomb is refused by its header, fast and in little memory`() {
        let declared = PNGBuilder.header(width: 60_000, height: 60_000, bitDepth: 16, colorType: 6)
        let filler = PNGBuilder.chunk("IDAT", [UInt8](repeating: 0, count: 1 << 20))
        let bomb = PNGBuilder.signature + declared + filler
        let before = peakMemoryInKiB()
        var fastest = Double.infinity
        for _ in 0..<5 {
            let started = monotonicSeconds()
            let code = codeThrown { _ = try ImageDecoder.decode(bomb) }
            fastest = min(fastest, monotonicSeconds() - started)
            #expect(code == .tooManyPixels(width: 60_000, height: 60_000, limit: 100_000_000))
        }
        #expect(fastest < 0.05)
        #expect(peakMemoryInKiB() - before < 4 << 20, "decoded, it would take more than 7 GB")
    }

    @Test func `A small file that declares a picture it cannot hold is refused before the picture is allocated`() {
        let small = PNGBuilder.file(width: 60_000, height: 60_000, bitDepth: 8, colorType: 2, rows: [[1, 2, 3]])
        let frame: [UInt8] = [0xFF, 0xD8, 0xFF, 0xC2, 0, 11, 8, 0xEA, 0x60, 0xEA, 0x60, 1, 1, 0x11, 0, 0xFF, 0xD9]
        let generous = ImageLimits(maxPixelCount: 4_000_000_000)
        let before = peakMemoryInKiB()
        #expect(codeThrown { _ = try ImageDecoder.decode(small, limits: generous) } == .truncated(format: .png))
        #expect(codeThrown { _ = try ImageDecoder.decode(frame, limits: generous) } == .truncated(format: .jpeg))
        #expect(peakMemoryInKiB() - before < 4 << 20, "decoded, it would take more than 7 GB")
    }

    @Test func `A JPEG that declares too many pixels is refused by its header`() {
        let frame: [UInt8] = [0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1, 0x11, 0, 0xFF, 0xD9]
        #expect(
            codeThrown { _ = try ImageDecoder.decode(frame) }
                == .tooManyPixels(width: 65_535, height: 65_535, limit: 100_000_000))
    }

    @Test func `Limits hold to the pixel and to the byte`() throws {
        let image = noiseImage(width: 20, height: 10, seed: 1)
        let bytes = try PNGEncoder.encode(image, bitDepth: 16)
        let exact = ImageLimits(maxPixelCount: 200, maxByteCount: bytes.count, maxSide: 20)
        #expect(try ImageDecoder.decode(bytes, limits: exact) == image)
        #expect(
            codeThrown { _ = try ImageDecoder.decode(bytes, limits: ImageLimits(maxPixelCount: 199)) }
                == .tooManyPixels(width: 20, height: 10, limit: 199))
        #expect(
            codeThrown { _ = try ImageDecoder.decode(bytes, limits: ImageLimits(maxByteCount: bytes.count - 1)) }
                == .tooManyBytes(byteCount: bytes.count, limit: bytes.count - 1))
        #expect(throws: ImagingError.self) { try ImageDecoder.decode(bytes, limits: ImageLimits(maxSide: 19)) }
    }

    @Test(arguments: [(0, 5), (5, 0), (0, 0)])
    func `A side of length 0 is refused`(_ size: (width: Int, height: Int)) {
        let file = PNGBuilder.file(width: size.width, height: size.height, bitDepth: 8, colorType: 0, rows: [[]])
        #expect(
            codeThrown { _ = try ImageDecoder.decode(file) }
                == .corrupt(format: .png, reason: "a side of length 0"))
    }

    @Test func `The kind of a file is told by its content`() throws {
        let png = try PNGEncoder.encode(noiseImage(width: 4, height: 4, seed: 1), bitDepth: 8)
        let dicom = [UInt8](repeating: 0, count: 128) + Array("DICM".utf8) + [2, 0, 0, 0]
        #expect(ImageDecoder.format(of: png) == .png)
        #expect(ImageDecoder.format(of: [0xFF, 0xD8, 0xFF, 0xE0]) == .jpeg)
        #expect(ImageDecoder.format(of: dicom) == .dicom)
        #expect(ImageDecoder.format(of: [1, 2, 3]) == nil)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("hilum-imaging-\(getpid())")
        try FileIO.makeFolder(folder.path)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("misnamed.jpg").path
        try FileIO.writeAtomically(path, png)
        #expect(try ImageDecoder.decode(path: path).width == 4)
    }

    @Test func `What is no picture is refused, and the reason names what is accepted`() {
        let files: [(bytes: [UInt8], word: String)] = [
            (Array("FINDINGS: none\n".utf8), "text file"), (Array("BM......".utf8), "BMP"),
            (Array("GIF89a......".utf8), "GIF"), ([0, 1, 2, 3], "unknown kind"),
        ]
        for (bytes, word) in files {
            let error = #expect(throws: ImagingError.self) { try ImageDecoder.decode(bytes) }
            guard case .unsupportedFormat = error?.code else {
                Issue.record("\(word): \(String(describing: error))")
                continue
            }
            let text = error?.description ?? ""
            #expect(text.contains(word) && text.contains("PNG") && text.contains("JPEG"))
        }
        #expect(codeThrown { _ = try ImageDecoder.decode([]) } == .empty)
        #expect(throws: ImagingError.self) { try ImageDecoder.decode(path: "/nonexistent/picture.png") }
    }

    /// The most memory this process has held so far (its high-water mark).
    private func peakMemoryInKiB() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss
    }

    @Test("A header may name sides whose product is beyond every number")
    func hugeSides() {
        let sides = [UInt8](repeating: 255, count: 8)
        let head: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
        let file =
            head + sides + [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + Array("IEND".utf8) + [0xAE, 0x42, 0x60, 0x82]
        #expect(ImageDecoder.pixelCount(of: file) == Int.max)
        #expect(throws: ImagingError.self) { try ImageDecoder.decode(file) }
    }
}
