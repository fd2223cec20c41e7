import Foundation
import HilumCore
import Testing

@testable import HilumDICOM
@testable import HilumImaging

/// From stored values to grey, on files that the test makes.
@Suite(.enabled(if: DICOMReader.isBuilt, "built without GDCM"))
struct RenderingTests {
    private static let values: [UInt16] = (0..<64).map { UInt16($0 * 1000) }

    private static func film(_ samples: [UInt16] = values, bitsStored: Int = 16, isSigned: Bool = false)
        -> SyntheticDICOM
    {
        SyntheticDICOM(width: 8, height: 8, samples: samples, bitsStored: bitsStored, isSigned: isSigned)
    }

    /// What PS3.3 C.11.2.1.2 says, written down once more.
    private static func level(_ value: Double, _ center: Double, _ width: Double, _ shape: String) -> Double {
        switch shape {
        case "SIGMOID": return 1 / (1 + exp(-4 * (value - center) / width))
        case "LINEAR_EXACT":
            if value <= center - width / 2 { return 0 }
            return value > center + width / 2 ? 1 : (value - center) / width + 0.5
        default:
            if value <= center - 0.5 - (width - 1) / 2 { return 0 }
            return value > center - 0.5 + (width - 1) / 2 ? 1 : (value - (center - 0.5)) / (width - 1) + 0.5
        }
    }

    @Test(arguments: ["LINEAR", "LINEAR_EXACT", "SIGMOID"], [false, true])
    func `Slope, intercept and window come before MONOCHROME1 turns it over`(shape: String, isInverted: Bool) throws {
        var file = Self.film()
        file.text(0x0028_1053, "DS", "0.5")
        file.text(0x0028_1052, "DS", "-1000")
        file.text(0x0028_1050, "DS", "9000\\1")
        file.text(0x0028_1051, "DS", "16000\\2")
        file.text(0x0028_1056, "CS", shape)
        if isInverted { file.text(0x0028_0004, "CS", "MONOCHROME1") }
        let image = try read(file.bytes).image
        for (sample, stored) in zip(image.samples, Self.values) {
            let level = Self.level(Double(stored) / 2 - 1000, 9000, 16_000, shape)
            #expect(abs(Double(sample) / 65_535 - (isInverted ? 1 - level : level)) < 1e-4, "\(stored)")
        }
        #expect(try ImageDecoder.decode(file.bytes) == image, "the other process agrees")
    }

    @Test func `A negative value is darker than 0, and bits that are not stored do not count`() throws {
        let signed = (0..<64).map { (index: Int) -> UInt16 in
            let stored = UInt16(bitPattern: Int16(index * 60 - 1900)) & 0x0FFF
            return index % 2 == 0 ? stored | 0xF000 : stored
        }
        var file = Self.film(signed, bitsStored: 12, isSigned: true)
        file.text(0x0028_1050, "DS", "0")
        file.text(0x0028_1051, "DS", "4000")
        let samples = try read(file.bytes).image.samples
        #expect(samples == samples.sorted() && samples[0] < 2000 && samples[63] > 63_000)
    }

    @Test func `A modality table and a VOI table replace slope and window`() throws {
        let indices = (0..<64).map { UInt16($0) }
        var file = Self.film(indices)
        file.text(0x0028_1050, "DS", "5")
        file.text(0x0028_1051, "DS", "3")
        file.table(0x0028_3000, first: 0, bits: 16, indices.map { $0 * 10 })
        file.table(0x0028_3010, first: 100, bits: 8, (0..<300).map { UInt16(min(255, $0)) })
        let image = try read(file.bytes).image
        for (index, sample) in image.samples.enumerated() {
            let level = Double(min(255, max(0, index * 10 - 100))) / 255
            #expect(abs(Double(sample) / 65_535 - level) < 1e-4)
        }
    }

    @Test func `INVERSE turns MONOCHROME2 over, and MONOCHROME1 not once more`() throws {
        var file = Self.film()
        let plain = try read(file.bytes).image
        file.text(0x2050_0020, "CS", "INVERSE")
        let turned = try read(file.bytes).image
        #expect(turned.samples == plain.samples.map { 65_535 - $0 })
        file.text(0x0028_0004, "CS", "MONOCHROME1")
        #expect(try read(file.bytes).image == turned)
    }

    @Test func `Without a window, or with one of the wrong unit, almost all samples get a level of their own`() throws {
        var samples = (0..<1600).map { UInt16(20_000 + $0) }
        samples[0] = 0
        samples[1599] = 65_535
        var file = SyntheticDICOM(width: 40, height: 40, samples: samples)
        let image = try read(file.bytes).image
        #expect(Set(image.samples).count > 1500)
        file.text(0x0028_1050, "DS", "40")
        file.text(0x0028_1051, "DS", "400")
        #expect(try read(file.bytes).image == image)
    }

    @Test func `Tags are read, and the patient's name among those of persons alone`() throws {
        var file = Self.film()
        for (tag, kind, text) in [
            (0x0008_0020, "DA", "20190615"), (0x0008_0060, "CS", "DX"), (0x0008_0070, "LO", "Maker"),
            (0x0010_0010, "PN", "Doe^Jane"), (0x0010_0020, "LO", "12345"), (0x0010_0040, "CS", "F"),
            (0x0010_1010, "AS", "018M"), (0x0018_5101, "CS", "LL"), (0x0020_0062, "CS", "L"),
            (0x0028_0301, "CS", "YES"),
        ] as [(UInt32, String, String)] { file.text(tag, kind, text) }
        let tags = try read(file.bytes).description
        #expect(tags.date == "2019-06-15" && tags.view == "LL" && tags.laterality == "L" && tags.ageInYears == 1)
        #expect(tags[.study] == "1.2.3.4" && tags[.modality] == "DX" && tags[.sex] == "F" && tags.saysBurnedIn)
        // Names are read, so that a report can be freed of them, and stand in tags of persons alone; no field is made of those.
        let others = DICOMTag.allCases.filter { !DICOMTag.ofPersons.contains($0) }
        #expect(tags[.patientName] == "Doe^Jane" && !others.contains { tags[$0]?.contains("Doe") == true })
        #expect(DICOMHeader(file.bytes)?.description == tags)
    }

    @Test func `Objects that are no picture are told by their class, and a localizer by its tags`() throws {
        let classes = ["88.67": "dose report", "11.1": "presentation state", "104.1": "document", "9.1.1": "waveform"]
        for (name, word) in classes {
            let file = SyntheticDICOM(objectClass: "1.2.840.10008.5.1.4.1.1." + name)
            let code = codeThrown { _ = try read(file.bytes) }
            guard case .noPicture(let kind) = code else {
                Issue.record("\(name): \(String(describing: code))")
                continue
            }
            #expect(kind.contains(word))
            #expect(DICOMHeader(file.bytes)?.reasonToRefuse == kind)
        }
        var scout = Self.film()
        scout.text(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER")
        #expect(codeThrown { _ = try read(scout.bytes) } == .noPicture("a localizer"))
    }

    @Test func `A picture that declares more than the limits is refused before memory is taken`() throws {
        var file = Self.film()
        file.words(0x0028_0010, "US", [60_000])
        file.words(0x0028_0011, "US", [60_000])
        for code in [
            codeThrown { _ = try read(file.bytes) }, codeThrown { _ = try ImageDecoder.decode(file.bytes) },
        ] {
            guard case .tooManyPixels = code else {
                Issue.record("\(String(describing: code))")
                continue
            }
        }
    }

    @Test func `A killed process is replaced, and the file is decoded`() throws {
        let file = Self.film().bytes
        let process = try DICOMProcess(program: DICOMDecoder.program)
        kill(process.process, SIGKILL)
        let request = DICOMMessage.Request(byteCount: file.count, side: nil, limits: .standard)
        let code = codeThrown { _ = try file.withUnsafeBytes { try process.decode($0, request) } }
        #expect(code == DICOMProcess.lost)
        DICOMDecoder.keep(process)
        #expect(throws: Never.self) { try ImageDecoder.decode(file) }
    }

    @Test func `A sequence of a hundred thousand levels takes nothing down`() throws {
        var file = Self.film()
        let level: [UInt8] = [
            0x08, 0, 0x40, 0x11, 83, 81, 0, 0, 255, 255, 255, 255, 0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255,
        ]
        file.elements[0x0008_1140] = nil
        var bytes = file.bytes
        bytes.insert(contentsOf: (0..<100_000).flatMap { _ in level }, at: bytes.count - 140)
        let error = #expect(throws: ImagingError.self) { try ImageDecoder.decode(bytes) }
        #expect(error.map { !$0.description.isEmpty } == true)
        #expect(throws: Never.self) { try ImageDecoder.decode(file.bytes) }
    }
}
