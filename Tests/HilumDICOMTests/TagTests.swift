import Foundation
import HilumCore
import Testing

@testable import HilumDICOM
@testable import HilumImaging

/// What the numbers of tags may be, where tags may lie, and what the two programs say to each other.
@Suite(.enabled(if: DICOMReader.isBuilt, "built without GDCM"))
struct TagTests {
    /// 3,000 samples of one value, and 1,096 from 1,000 on.
    private static func film(surround: UInt16, isSigned: Bool = false) -> SyntheticDICOM {
        let samples = [UInt16](repeating: surround, count: 3000) + (0..<1096).map { UInt16(1000 + $0) }
        return SyntheticDICOM(width: 64, height: 64, samples: samples, isSigned: isSigned)
    }

    @Test(arguments: [0, 32, 255, 300, 0x2020, 0x2000] as [UInt16])
    func `The value of padding is taken as it is, and does not count among the levels`(padding: UInt16) throws {
        var file = Self.film(surround: padding)
        file.words(0x0028_0120, "US", [padding])
        let samples = try read(file.bytes).image.samples.suffix(1096)
        #expect(samples.min() == 0 && samples.max() == 65_535 && Set(samples).count > 1000)
    }

    @Test func `A limit makes padding a range, on either side of the value, with a sign where samples have one`() throws
    {
        for (value, limit) in [(-2000, -1000), (-1000, -2000)] {
            var file = Self.film(surround: UInt16(bitPattern: -1500), isSigned: true)
            file.words(0x0028_0120, "SS", [UInt16(bitPattern: Int16(value))])
            file.words(0x0028_0121, "SS", [UInt16(bitPattern: Int16(limit))])
            let samples = try read(file.bytes).image.samples.suffix(1096)
            #expect(samples.min() == 0 && samples.max() == 65_535 && Set(samples).count > 1000)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `No number of a tag brings the decoder down`(seed: UInt64) throws {
        let numbers = [
            "1e308", "-1e308", "1e-308", "-1e-320", "1e15", "-1e15", "0", "-0", "nan", "inf", "-inf", "", "1", "0.5",
            "65536", "4294967296", "1e400", "x",
        ]
        let tags: [UInt32] = [0x0028_1050, 0x0028_1051, 0x0028_1052, 0x0028_1053]
        var generator = SeededGenerator(seed: seed)
        for round in 0..<200 {
            var file = Self.film(surround: UInt16(generator.integer(below: 65_536)), isSigned: round % 2 == 0)
            for tag in tags where generator.integer(below: 3) > 0 {
                file.text(tag, "DS", numbers[generator.integer(below: numbers.count)])
            }
            file.text(0x0028_1056, "CS", ["LINEAR", "LINEAR_EXACT", "SIGMOID"][round % 3])
            file.text(0x0028_0008, "IS", round % 5 == 0 ? numbers[generator.integer(below: numbers.count)] : "1")
            if round % 4 == 0 {
                let word = { UInt16(generator.integer(below: 65_536)) }
                let tag: UInt32 = round % 8 == 0 ? 0x0028_3000 : 0x0028_3010
                file.table(tag, first: word(), bits: word() % 40, (0..<300).map { _ in word() })
            }
            _ = try? read(file.bytes)
        }
        var file = Self.film(surround: 0)
        let plain = try read(file.bytes).image
        file.text(0x0028_1053, "DS", "1e308")
        #expect(try read(file.bytes).image == plain, "a slope beyond all bounds is left out")
    }

    @Test func `A program of another release is told by the first byte, in either direction`() throws {
        let bytes = [UInt8](repeating: 7, count: 3_000_000)
        let request = DICOMMessage.Request(byteCount: bytes.count, side: nil, limits: .standard)
        let process = try DICOMProcess(program: DICOMDecoder.program)
        // This program plays the other release: to it the answer bears another version than its own.
        let code = codeThrown {
            _ = try bytes.withUnsafeBytes { try process.decode($0, request, version: DICOMMessage.version + 1) }
        }
        #expect(code == DICOMProcess.foreign)
        #expect(code.map { ImagingError($0).description.contains("belongs to another release of hilum") } == true)
    }

    @Test func `The study is found behind a long preview, and in a deflated file`() throws {
        var file = Self.film(surround: 0)
        for length in [40_000, 200_000, 3_000_000] {
            file.elements[0x0009_1010] = ("OB", [UInt8](repeating: 5, count: length))
            let path = NSTemporaryDirectory() + "hilum-header-\(UUID().uuidString).dcm"
            try Data(file.bytes).write(to: URL(fileURLWithPath: path))
            defer { try? FileManager.default.removeItem(atPath: path) }
            for header in [DICOMHeader(file.bytes), DICOMHeader(path: path)] {
                #expect(header?.description[.study] == "1.2.3.4" && header?.isComplete == true, "\(length)")
                #expect(header?.pixelCount == 4096)
            }
        }
        file.transferSyntax = "1.2.840.10008.1.2.1.99"
        let deflated = try #require(DICOMHeader(file.bytes))
        #expect(deflated.description[.study] == "1.2.3.4" && deflated.isComplete)
        #expect(try deflated.description == read(file.bytes).description)
        file.elements[0x0009_1010] = ("OB", [UInt8](repeating: 5, count: 17 << 20))
        for syntax in [file.transferSyntax, "1.2.840.10008.1.2.1"] {
            file.transferSyntax = syntax
            let bytes = file.bytes
            #expect(DICOMHeader(bytes)?.isComplete == true && DICOMHeader(bytes)?.description[.study] == "1.2.3.4")
            let cut = DICOMHeader(byteCounts: [64 << 10, 1 << 20]) { Array(bytes.prefix($0)) }
            #expect(cut?.isComplete == false && cut?.description[.study] == nil)
        }
    }
}
