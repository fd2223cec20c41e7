import CTurboJPEG
import HilumCore
import Testing

@testable import HilumImaging

@Suite struct JPEGTests {
    @Test(arguments: [(8, 8), (64, 48), (31, 17), (1, 1), (300, 7)])
    func `A smooth grey picture comes back within two levels`(_ size: (width: Int, height: Int)) throws {
        let samples = slope(size.width, size.height)
        let decoded = try ImageDecoder.decode(encoded(samples, size.width, size.height, quality: 100))
        #expect(decoded.width == size.width && decoded.height == size.height)
        #expect(zip(decoded.samples, samples).allSatisfy { abs(Int($0) / 257 - Int($1)) <= 2 })
        #expect(decoded.samples.allSatisfy { $0 % 257 == 0 })
    }

    @Test(arguments: [TJSAMP_444, TJSAMP_422, TJSAMP_420])
    func `A colour picture gives its luma`(_ subsampling: TJSAMP) throws {
        let samples = slope(40, 30)
        let decoded = try ImageDecoder.decode(encoded(samples, 40, 30, quality: 100, subsampling: subsampling))
        #expect(zip(decoded.samples, samples).allSatisfy { abs(Int($0) / 257 - Int($1)) <= 2 })
    }

    @Test func `A progressive file gives what the plain one gives`() throws {
        let samples = slope(70, 50)
        let plain = try ImageDecoder.decode(encoded(samples, 70, 50, quality: 90))
        let progressive = try ImageDecoder.decode(encoded(samples, 70, 50, quality: 90, flags: TJFLAG_PROGRESSIVE))
        #expect(plain == progressive)
    }

    @Test func `A file cut at any place is refused as truncated`() throws {
        let bytes = try encoded(noisy(96, 80), 96, 80, quality: 90)
        for part in 1..<20 {
            let cut = Array(bytes[..<(bytes.count * part / 20)])
            #expect(codeThrown { _ = try ImageDecoder.decode(cut) } == .truncated(format: .jpeg), "\(part)/20")
        }
        #expect(throws: ImagingError.self) { try ImageDecoder.decode(Array(bytes.dropLast(2))) }
    }

    @Test(arguments: [0, TJFLAG_PROGRESSIVE])
    func `Flipped bytes never crash`(_ flags: Int32) throws {
        let bytes = try encoded(noisy(64, 56), 64, 56, quality: 85, subsampling: TJSAMP_420, flags: flags)
        var generator = SeededGenerator(seed: 21)
        var refused = 0
        for _ in 0..<1_500 {
            var damaged = bytes
            for _ in 0...generator.integer(below: 4) {
                damaged[generator.integer(below: damaged.count)] = UInt8(generator.integer(below: 256))
            }
            do { _ = try ImageDecoder.decode(damaged) } catch { refused += 1 }
        }
        #expect(refused > 100)
    }

    @Test func `A CMYK file is refused by name`() throws {
        let bytes = try encoded([UInt8](repeating: 90, count: 16 * 16 * 4), 16, 16, quality: 90, format: TJPF_CMYK)
        #expect(codeThrown { _ = try ImageDecoder.decode(bytes) } == .unsupportedFormat(found: "a CMYK JPEG"))
    }

    @Test func `A lossless or 12-bit file is refused as unsupported`() throws {
        let bytes = try encoded(slope(16, 16), 16, 16, quality: 90)
        let frame = try #require(
            bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        var lossless = bytes
        lossless[frame + 1] = 0xC3
        var deep = bytes
        deep[frame + 1] = 0xC1
        deep[frame + 4] = 12
        for file in [lossless, deep] {
            guard case .unsupportedFormat = codeThrown({ _ = try ImageDecoder.decode(file) }) else {
                Issue.record("not refused as unsupported")
                continue
            }
        }
    }

    private func slope(_ width: Int, _ height: Int) -> [UInt8] {
        (0..<(width * height)).map { UInt8(20 + ($0 % width + $0 / width) * 200 / (width + height)) }
    }

    private func noisy(_ width: Int, _ height: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: 20)
        return (0..<(width * height)).map { _ in UInt8(generator.integer(below: 256)) }
    }

    /// Encodes grey samples (repeated into RGB when `subsampling` is of colour), or raw samples of `format`.
    private func encoded(
        _ samples: [UInt8], _ width: Int, _ height: Int, quality: Int32, subsampling: TJSAMP = TJSAMP_GRAY,
        flags: Int32 = 0, format: TJPF? = nil
    ) throws -> [UInt8] {
        let isGray = subsampling == TJSAMP_GRAY && format == nil
        let source = isGray || format != nil ? samples : samples.flatMap { [$0, $0, $0] }
        let pixelFormat = format ?? (isGray ? TJPF_GRAY : TJPF_RGB)
        let target = format == nil ? subsampling : TJSAMP_444
        let handle = try #require(tjInitCompress())
        defer { tjDestroy(handle) }
        var bytes: UnsafeMutablePointer<UInt8>?
        var count: UInt = 0
        let status = tjCompress2(
            handle, source, Int32(width), 0, Int32(height), Int32(pixelFormat.rawValue), &bytes, &count,
            Int32(target.rawValue), quality, flags)
        defer { tjFree(bytes) }
        try #require(status == 0)
        return Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }
}
