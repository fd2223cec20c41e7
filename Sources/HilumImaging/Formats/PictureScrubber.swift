import HilumCore

/// Takes out of an image file what is not its picture: texts, names, dates and previews that a device or a program wrote beside it.
///
/// | file | what stays |
/// | --- | --- |
/// | PNG | the chunks by which it is decoded, byte for byte |
/// | JPEG | the segments by which it is decoded, byte for byte, and of Exif the orientation |
/// | DICOM | the picture as a PNG of 16 bits; all tags go |
///
/// Thread rule: any thread; nothing is shared.
package enum PictureScrubber {
    /// Chunks of a PNG that say what its samples mean.
    private static let chunks: Set<[UInt8]> = Set(
        ["IHDR", "PLTE", "tRNS", "gAMA", "cHRM", "sRGB", "sBIT", "pHYs", "IDAT", "IEND"].map { Array($0.utf8) })

    /// The file with its picture alone; as it came where it holds nothing else, and where it is no whole file, which no decoder takes.
    ///
    /// - Throws: what `ImageDecoder.decode` throws of a DICOM file.
    package static func scrubbed(_ bytes: [UInt8]) throws(ImagingError) -> [UInt8] {
        switch ImageDecoder.format(of: bytes) {
        case .png: return png(bytes) ?? bytes
        case .jpeg: return jpeg(bytes) ?? bytes
        case .dicom: return try PNGEncoder.encode(try ImageDecoder.decode(bytes), bitDepth: 16)
        case nil: return bytes
        }
    }

    private static func png(_ bytes: [UInt8]) -> [UInt8]? {
        let headByteCount = 8
        var result = Array(bytes.prefix(headByteCount))
        result.reserveCapacity(bytes.count)
        var place = headByteCount
        while place + 12 <= bytes.count {
            let length = number(bytes, place, 4)
            let end = place + 12 + length
            guard end <= bytes.count else { return nil }
            let name = Array(bytes[(place + 4)..<(place + 8)])
            if chunks.contains(name) { result += bytes[place..<end] }
            if name.elementsEqual("IEND".utf8) { return result }
            place = end
        }
        return nil
    }

    private static func jpeg(_ bytes: [UInt8]) -> [UInt8]? {
        var result = Array(bytes.prefix(2))
        result.reserveCapacity(bytes.count)
        var place = 2
        while place + 2 <= bytes.count {
            guard bytes[place] == 0xFF else { return nil }
            let marker = bytes[place + 1]
            switch marker {
            case 0xFF:
                // Padding before a marker.
                place += 1
                continue
            case 0xD9: return result + [0xFF, 0xD9]
            case 0x01, 0xD0...0xD7:
                result += bytes[place..<(place + 2)]
                place += 2
                continue
            default: break
            }
            guard place + 4 <= bytes.count else { return nil }
            let end = place + 2 + number(bytes, place + 2, 2)
            guard end > place + 3, end <= bytes.count else { return nil }
            if let segment = segment(marker, bytes[(place + 4)..<end]) {
                let length = segment.count + 2
                result += [0xFF, marker, UInt8(length >> 8), UInt8(length & 0xFF)] + segment
            }
            place = end
            guard marker == 0xDA else { continue }
            let scan = place
            // The samples of a scan end at a marker that is none of theirs.
            while place + 1 < bytes.count,
                bytes[place] != 0xFF || bytes[place + 1] == 0 || 0xD0...0xD7 ~= bytes[place + 1]
            { place += 1 }
            result += bytes[scan..<place]
        }
        return nil
    }

    /// What stays of a segment; nil for one that goes.
    private static func segment(_ marker: UInt8, _ content: ArraySlice<UInt8>) -> [UInt8]? {
        switch marker {
        case 0xE0: return content.starts(with: Array("JFIF".utf8)) ? Array(content.prefix(12)) + [0, 0] : nil
        case 0xE1:
            let orientation = Array(content).withUnsafeBytes { ExifOrientation.read($0) }
            return orientation.flatMap { $0 == 1 ? nil : exif(orientation: $0) }
        case 0xEE: return content.starts(with: Array("Adobe".utf8)) ? Array(content.prefix(12)) : nil
        case 0xE2...0xEF, 0xFE: return nil
        default: return Array(content)
        }
    }

    /// An Exif segment that says an orientation and nothing else.
    private static func exif(orientation: Int) -> [UInt8] {
        var segment = Array("Exif\0\0MM\0*".utf8)
        segment += [0, 0, 0, 8, 0, 1] as [UInt8]
        segment += [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, UInt8(orientation), 0, 0] as [UInt8]
        segment += [0, 0, 0, 0] as [UInt8]
        return segment
    }

    private static func number(_ bytes: [UInt8], _ place: Int, _ count: Int) -> Int {
        bytes[place..<(place + count)].reduce(0) { $0 << 8 | Int($1) }
    }
}
