import HilumCore

@testable import HilumImaging

extension FuzzTarget {
    private static let limits = ImageLimits(maxPixelCount: 1 << 18, maxByteCount: 1 << 16, maxSide: 4096)

    /// A PNG whose checksums are right, so that changes reach the decoder, but for inputs of every eighth length.
    static let png = FuzzTarget(
        "png", longestInput: 4096,
        words: [
            "IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "sBIT", "pHYs", "tEXt", "acTL", "fdAT", "iCCP",
        ],
        seeds: { try pngSeeds() },
        finding: { bytes in
            let file = bytes.count % 8 == 0 ? bytes : withChecksums(bytes)
            guard ImageDecoder.format(of: file) == .png else { return nil }
            return finding(decoding: file)
        })

    /// A JPEG.
    static let jpeg = FuzzTarget(
        "jpeg", longestInput: 4096,
        words: ["\u{FFFD}", "Exif\0\0", "JFIF\0", "Adobe\0", "II*\0", "MM\0*"],
        seeds: { [jpegSeed, withExif(jpegSeed)] },
        finding: { bytes in ImageDecoder.format(of: bytes) == .jpeg ? finding(decoding: bytes) : nil })

    /// Tags of a DICOM file. Pixels are read by a process of its own, which `row 16b` of the faults feeds.
    static let dicom = FuzzTarget(
        "dicom", longestInput: 4096,
        words: ["DICM", "OB\0\0", "SQ\0\0", "UN\0\0", "ISO_IR 192", "ISO 2022 IR 87", "1.2.840.10008.1.2.1.99"],
        seeds: { [dicomSeed] },
        finding: { bytes in
            guard let header = DICOMHeader(bytes) else { return nil }
            var writer = ByteWriter()
            header.description.encode(to: &writer)
            let again = writer.bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                return try? DICOMDescription(decoding: &reader)
            }
            _ = try? DICOMMessage.Request(bytes)
            _ = try? DICOMMessage.Outcome(bytes)
            return again == header.description ? nil : "a description is not the same when it is read again"
        })

    private static func finding(decoding bytes: [UInt8]) -> String? {
        let image = try? ImageDecoder.decode(bytes, limits: limits)
        if let image, image.samples.count != image.width * image.height { return "an image of another size" }
        if let fitted = try? ImageDecoder.decode(bytes, fitting: 32, limits: limits),
            fitted.width != 32 || fitted.height != 32 || fitted.samples.count != 1024
        {
            return "a fitted image of another size"
        }
        if let image, let scrubbed = try? PictureScrubber.scrubbed(bytes) {
            // One that is encoded anew may be longer than it came.
            let again = try? ImageDecoder.decode(scrubbed)
            if again?.samples != image.samples { return "a scrubbed picture is another one" }
        }
        return nil
    }

    // MARK: PNG

    private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// The file with the checksum that each chunk should have.
    private static func withChecksums(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.starts(with: signature) else { return bytes }
        var result = bytes
        var place = signature.count
        while place + 12 <= result.count {
            let length = result[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
            let end = place + 8 + length
            guard end + 4 <= result.count else { break }
            let sum = checksum(result[(place + 4)..<end])
            for index in 0..<4 { result[end + index] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * index)) }
            place = end + 4
        }
        return result
    }

    /// The CRC-32 of PNG.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        return ~sum
    }

    private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
        let length = (0..<4).map { UInt8(truncatingIfNeeded: content.count >> (24 - 8 * $0)) }
        return length + Array(name.utf8) + content + [0, 0, 0, 0]
    }

    /// Deflated without compression, so that changes of samples stay changes of samples.
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        let count = UInt16(bytes.count)
        var (low, high) = (UInt32(1), UInt32(0))
        for byte in bytes {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        let sum = high << 16 | low
        return [0x78, 0x01, 1, UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)] + bytes
            + (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) }
    }

    private static func pngSeeds() throws -> [[UInt8]] {
        var seeds = [
            try PNGEncoder.encode(GrayImage(width: 5, height: 4, samples: (0..<20).map { $0 * 3000 }), bitDepth: 8),
            try PNGEncoder.encode(GrayImage(width: 3, height: 3, samples: (0..<9).map { $0 * 7000 }), bitDepth: 16),
        ]
        // Colour type, bit depth, interlacing, and bytes of a row of 4 pixels.
        let kinds: [(UInt8, UInt8, UInt8, Int)] = [
            (0, 1, 0, 1), (0, 16, 1, 8), (2, 8, 0, 12), (3, 4, 0, 2), (3, 8, 1, 4), (4, 8, 0, 8), (6, 16, 0, 32),
            (6, 8, 1, 16),
        ]
        for (type, depth, interlacing, rowByteCount) in kinds {
            let header: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 4, depth, type, 0, 0, interlacing]
            let rows = [UInt8](repeating: 1, count: interlacing == 0 ? 4 * (rowByteCount + 1) : 8 * (rowByteCount + 1))
            var file = signature + chunk("IHDR", header)
            if type == 3 { file += chunk("PLTE", (0..<48).map { UInt8($0 * 5) }) + chunk("tRNS", [0, 128, 255]) }
            file += chunk("gAMA", [0, 0, 0xB1, 0x8F]) + chunk("IDAT", stored(rows)) + chunk("IEND", [])
            seeds.append(withChecksums(file))
        }
        return seeds
    }

    // MARK: JPEG

    /// Grey, 8 by 8, one colour: the shortest tables that make a whole baseline file.
    private static let jpegSeed: [UInt8] =
        [0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0] + [UInt8](repeating: 8, count: 64)
        + [0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]
        + [0xFF, 0xC4, 0, 20, 0x00, 1] + [UInt8](repeating: 0, count: 15) + [0]
        + [0xFF, 0xC4, 0, 20, 0x10, 1] + [UInt8](repeating: 0, count: 15) + [0]
        + [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0x3F, 0xFF, 0xD9]

    private static func withExif(_ file: [UInt8]) -> [UInt8] {
        let tiff: [UInt8] =
            Array("II*\0".utf8) + [8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]
        let content = Array("Exif\0\0".utf8) + tiff
        return Array(file[..<2]) + [0xFF, 0xE1, 0, UInt8(content.count + 2)] + content + file[2...]
    }

    // MARK: DICOM

    private static let dicomSeed: [UInt8] = {
        var elements = DICOMElements()
        elements.text(8, 5, "CS", "ISO_IR 100")
        elements.text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.1")
        elements.text(8, 0x18, "UI", "1.2.3.4")
        elements.text(8, 0x20, "DA", "20200102")
        elements.text(8, 0x60, "CS", "CR")
        elements.add(8, 0x1140, "SQ", [])
        elements.text(0x10, 0x10, "PN", "Doe^Jane")
        elements.text(0x10, 0x20, "LO", "P1")
        for (number, value) in [(0x10, 4), (0x11, 4), (0x100, 8)] as [(UInt16, UInt8)] {
            elements.add(0x28, number, "US", [value, 0])
        }
        elements.add(0x7FE0, 0x10, "OW", [UInt8](repeating: 7, count: 16))
        return DICOMElements.head("1.2.840.10008.1.2.1") + elements.bytes
    }()
}
