import Foundation
import HilumCore
import Testing

@testable import HilumDICOM
@testable import HilumImaging

/// How samples lie in a file: each layout gives its picture, and a file that ends early gives none.
@Suite(.enabled(if: DICOMReader.isBuilt, "built without GDCM"))
struct PixelLayoutTests {
    /// A layout, its pixels and the stored values that they stand for.
    struct Layout: CustomTestStringConvertible, Sendable {
        let name: String
        let file: SyntheticDICOM
        let expected: [UInt16]
        var testDescription: String { name }
    }

    private static func shape(
        _ width: Int, _ height: Int, allocated: Int = 8, stored: Int? = nil, high: Int? = nil, channels: Int = 1,
        _ photometric: String = "MONOCHROME2"
    ) -> SyntheticDICOM {
        let stored = stored ?? allocated
        var file = SyntheticDICOM(width: width, height: height, samples: [], bitsStored: stored)
        file.words(0x0028_0002, "US", [UInt16(channels)])
        file.words(0x0028_0100, "US", [UInt16(allocated)])
        file.words(0x0028_0102, "US", [UInt16(high ?? stored - 1)])
        file.text(0x0028_0004, "CS", photometric)
        // All levels of the values are shown as they are.
        file.text(0x0028_1050, "DS", "\((1 << (stored - 1)))")
        file.text(0x0028_1051, "DS", "\(1 << stored)")
        return file
    }

    private static func level(_ value: Int, of bits: Int) -> UInt16 {
        UInt16((Double(value) / Double((1 << bits) - 1) * 65_535).rounded())
    }

    private static func luma(_ red: Int, _ green: Int, _ blue: Int) -> UInt16 {
        let parts = [red, green, blue].map { UInt32(level($0, of: 8)) }
        return UInt16(HilumImaging.luma(parts[0], parts[1], parts[2]))
    }

    private static func little(_ words: [Int]) -> [UInt8] {
        words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    }

    /// Bytes that repeat nowhere near.
    private static let bytes = (0..<3 * 21 * 10).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 >> 6) }

    static let raw: [Layout] = {
        var all: [Layout] = []
        func add(_ name: String, _ file: SyntheticDICOM, _ pixels: [UInt8], _ expected: [UInt16]) {
            var file = file
            file.pixels(pixels)
            all.append(Layout(name: name, file: file, expected: expected))
        }
        let grey = Array(bytes.prefix(20 * 10))
        add("8 bits", shape(20, 10), grey, grey.map { level(Int($0), of: 8) })
        let odd = Array(bytes.prefix(21 * 9))
        add("8 bits, odd", shape(21, 9), odd, odd.map { level(Int($0), of: 8) })
        let seven = grey.map { $0 & 127 }
        add("7 of 8 bits", shape(20, 10, stored: 7), seven, seven.map { level(Int($0), of: 7) })
        let twelve = (0..<200).map { $0 * 20 + 3 }
        add("16 bits", shape(20, 10, allocated: 16), little(twelve), twelve.map { level($0, of: 16) })
        add("12 of 16 bits", shape(20, 10, allocated: 16, stored: 12), little(twelve), twelve.map { level($0, of: 12) })
        let left = twelve.map { $0 << 4 | $0 & 15 }
        add(
            "12 of 16 bits, at the top", shape(20, 10, allocated: 16, stored: 12, high: 15), little(left),
            twelve.map { level($0, of: 12) })
        let three = Array(bytes.prefix(3 * 200))
        func colors(_ of: (Int) -> (Int, Int, Int)) -> [UInt16] {
            (0..<200).map {
                let (red, green, blue) = of($0); return luma(red, green, blue)
            }
        }
        add(
            "RGB", shape(20, 10, channels: 3, "RGB"), three,
            colors {
                (Int(three[3 * $0]), Int(three[3 * $0 + 1]), Int(three[3 * $0 + 2]))
            })
        var planar = shape(20, 10, channels: 3, "RGB")
        planar.words(0x0028_0006, "US", [1])
        add(
            "RGB, planar", planar, three,
            colors {
                (Int(three[$0]), Int(three[200 + $0]), Int(three[400 + $0]))
            })
        let lumas = (0..<200).map { level(Int(three[3 * $0]), of: 8) }
        add("YBR", shape(20, 10, channels: 3, "YBR_FULL"), three, lumas)
        add("YBR 4:2:2 with three bytes a pixel", shape(20, 10, channels: 3, "YBR_FULL_422"), three, lumas)
        let halved = Array(bytes.prefix(400))
        add(
            "YBR 4:2:2", shape(20, 10, channels: 3, "YBR_FULL_422"), halved,
            (0..<200).map {
                level(Int(halved[$0 / 2 * 4 + $0 % 2]), of: 8)
            })
        return all
    }()

    @Test(arguments: raw)
    func `Samples that are not compressed become the picture that the standard says`(layout: Layout) throws {
        let samples = try read(layout.file.bytes).image.samples
        #expect(zip(samples, layout.expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
        #expect(samples.count == layout.expected.count)
    }

    @Test(arguments: raw)
    func `A value that is too short is refused, whatever was decoded before`(layout: Layout) throws {
        let whole = try #require(layout.file.elements[0x7FE0_0010]).value
        let process = try DICOMProcess(program: DICOMDecoder.program)
        let image = try decode(layout.file.bytes, process).get().image
        for length in stride(from: 0, to: whole.count - 1, by: 22) {
            var file = layout.file
            file.elements[0x7FE0_0010]?.value = Array(whole.prefix(length))
            let error = #expect(throws: ImagingError.self, "\(length)") { try decode(file.bytes, process).get() }
            #expect(error?.code == .truncated(format: .dicom), "\(length)")
        }
        #expect(try decode(layout.file.bytes, process).get().image == image)
    }

    @Test(arguments: [(128, 3_000), (512, 3_000), (512, 400_000), (512, 524_286)])
    func `A short film after another patient's is refused, and shows nothing of it`(side: Int, length: Int) throws {
        let process = try DICOMProcess(program: DICOMDecoder.program)
        for bits in [12, 16] {
            var file = Self.shape(side, side, allocated: 16, stored: bits)
            file.pixels(Self.little([Int](repeating: 3333, count: side * side)))
            _ = try decode(file.bytes, process).get()
            file.pixels([UInt8](repeating: 16, count: length))
            let error = #expect(throws: ImagingError.self) { try decode(file.bytes, process).get() }
            #expect(error?.code == .truncated(format: .dicom))
        }
    }

    @Test func `Samples of 1, 12 and 32 bits, and values in the wrong wrapping, are refused in words`() throws {
        for bits in [1, 12, 24, 32, 64] {
            var file = Self.shape(20, 10, allocated: bits, stored: bits == 12 ? 12 : 1)
            for length in [0, 10, 300, 4000] {
                file.pixels([UInt8](repeating: 1, count: length))
                #expect(throws: ImagingError.self, "\(bits), \(length)") { try read(file.bytes) }
            }
        }
        var file = Self.shape(20, 10)
        file.fragments([[UInt8](repeating: 1, count: 200)])
        #expect(throws: ImagingError.self) { try read(file.bytes) }
        file.pixels([UInt8](repeating: 1, count: 200))
        file.transferSyntax = "1.2.840.10008.1.2.4.90"
        #expect(throws: ImagingError.self) { try read(file.bytes) }
    }

    /// PackBits without runs, but for one of three bytes at the end.
    private static func packed(_ bytes: [UInt8]) -> [UInt8] {
        var packed: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 128) {
            let part = bytes[start..<min(start + 128, bytes.count)]
            packed += [UInt8(part.count - 1)] + part
        }
        return packed.count % 2 == 0 ? packed : packed + [128]
    }

    private static func rle(_ planes: [[UInt8]]) -> [UInt8] {
        let segments = planes.map(packed)
        var words = [planes.count]
        var place = 64
        for segment in segments {
            words.append(place)
            place += segment.count
        }
        let head = (words + [Int](repeating: 0, count: 16 - words.count)).flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
        return head + segments.joined()
    }

    @Test func `RLE gives 8, 16 and left-aligned bits, and colours, and is refused when it ends early`() throws {
        let values = (0..<200).map { $0 * 20 + 3 }
        for (bits, high) in [(16, 15), (12, 11), (12, 15)] {
            var file = Self.shape(20, 10, allocated: 16, stored: bits, high: high)
            file.transferSyntax = "1.2.840.10008.1.2.5"
            let words = values.map { $0 << (high + 1 - bits) }
            let planes = [words.map { UInt8($0 >> 8) }, words.map { UInt8($0 & 255) }]
            let whole = Self.rle(planes)
            file.fragments([whole])
            let image = try read(file.bytes).image
            #expect(zip(image.samples, values).allSatisfy { abs(Int($0) - Int(Self.level($1, of: bits))) <= 1 })
            for length in stride(from: 0, to: whole.count - 2, by: 14) {
                file.fragments([Array(whole.prefix(length))])
                #expect(throws: ImagingError.self, "\(length)") { try read(file.bytes) }
            }
            file.fragments([Self.rle([planes[0], Array(planes[1].prefix(190))])])
            #expect(throws: ImagingError.self) { try read(file.bytes) }
        }
        var file = Self.shape(20, 10, channels: 3, "RGB")
        file.transferSyntax = "1.2.840.10008.1.2.5"
        let planes = (0..<3).map { channel in (0..<200).map { UInt8(($0 + channel * 31) % 256) } }
        file.fragments([Self.rle(planes)])
        let samples = try read(file.bytes).image.samples
        let expected = (0..<200).map { Self.luma(Int(planes[0][$0]), Int(planes[1][$0]), Int(planes[2][$0])) }
        #expect(zip(samples, expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    }

    @Test func `Frames are taken from values and fragments, also where fragments are no multiple of them`() throws {
        let frame = (0..<200).map { UInt8($0) }
        let expected = frame.map { Self.level(Int($0), of: 8) }
        var file = Self.shape(20, 10)
        file.text(0x0028_0008, "IS", "3")
        file.pixels(frame + [UInt8](repeating: 1, count: 400))
        #expect(try read(file.bytes).image.samples == expected)
        file.transferSyntax = "1.2.840.10008.1.2.5"
        let (first, other) = (Self.rle([frame]), Self.rle([[UInt8](repeating: 1, count: 200)]))
        for fragments in [[first, other, other], [first, other, other, other]] {
            file.fragments(fragments)
            #expect(try read(file.bytes).image.samples == expected)
        }
        file.fragments([first, other])
        #expect(try read(file.bytes).image.samples == expected)
    }

    @Test func `A palette may hold 8 bits in bytes, in words, or 16 bits`() throws {
        let indices = (0..<200).map { UInt8($0) }
        let ramp = (0..<256).map { UInt16(255 - $0) }
        let tables: [(bits: UInt16, words: [UInt16])] = [
            (8, ramp), (8, ramp.map { $0 * 257 }), (16, ramp.map { $0 * 257 }),
            (8, (0..<128).map { ramp[2 * $0] | ramp[2 * $0 + 1] << 8 }),
        ]
        for (bits, words) in tables {
            var file = Self.shape(20, 10, "PALETTE COLOR")
            for channel in UInt32(0)..<3 {
                file.words(0x0028_1101 + channel, "US", [256, 0, bits])
                file.words(0x0028_1201 + channel, "OW", words)
            }
            for syntax in ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"] {
                file.transferSyntax = syntax
                if syntax.hasSuffix("5") { file.fragments([Self.rle([indices])]) } else { file.pixels(indices) }
                let image = try ImageDecoder.decode(file.bytes)
                #expect(zip(image.samples, indices).allSatisfy { abs(Int($0) - Int(255 - $1) * 257) <= 1 })
            }
        }
    }

    @Test(arguments: [(4280, 5000, 16, 1), (4000, 3000, 8, 3), (5500, 5600, 16, 1), (7000, 7000, 8, 1)])
    func `Films as large as devices make them are decoded within the memory of the process`(
        width: Int, height: Int, bits: Int, channels: Int
    ) throws {
        var file = Self.shape(
            width, height, allocated: bits, stored: bits == 16 ? 12 : 8, channels: channels,
            channels == 3 ? "RGB" : "MONOCHROME2")
        let count = width * height * channels * bits / 8
        file.pixels(
            [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
                for place in 0..<count { buffer[place] = UInt8(truncatingIfNeeded: place >> 7) & 15 }
                written = count
            })
        let bytes = file.bytes
        let process = try DICOMProcess(program: DICOMDecoder.program)
        for _ in 0..<3 { #expect(try decode(bytes, process, fitting: 64).get().image.width == 64) }
        #expect(peakInMiB(process.process) < 256)
    }

    @Test func `A film that would not find its memory is refused by its size`() throws {
        var file = Self.shape(3000, 3000, allocated: 16)
        file.pixels([UInt8](repeating: 1, count: 18_000_000))
        let code = codeThrown { _ = try read(file.bytes, memoryInBytes: 30_000_000) }
        #expect(code == .tooManyPixels(width: 3000, height: 3000, limit: 7_500_000))
    }
}
