import CPNG
import HilumCore

/// Takes out of an image file what is not its picture: texts, names, dates and previews that a device or a program wrote beside it.
///
/// | file | what stays |
/// | --- | --- |
/// | PNG | the chunks by which it is decoded, byte for byte |
/// | JPEG | the segments by which it is decoded, byte for byte, and of Exif the orientation |
/// | DICOM | the picture as a PNG of 16 bits; all tags go |
///
/// A PNG or JPEG of which the decoder reads more than the walk here understands is encoded anew, as a PNG of the same samples.
/// Thread rule: any thread; nothing is shared.
package enum PictureScrubber {
    /// The file with its picture alone; as it came where it holds nothing else.
    ///
    /// - Throws: what `ImageDecoder.decode` throws of a file that holds no picture.
    package static func scrubbed(_ bytes: [UInt8]) throws(ImagingError) -> [UInt8] {
        switch ImageDecoder.format(of: bytes) {
        case .png:
            if let file = png(bytes) { return file }
            return try PNGEncoder.encode(try ImageDecoder.decode(bytes), bitDepth: 16)
        case .jpeg:
            // Stray bytes between the samples and the next marker look like samples to the walk; the decoder tells them apart, and warns.
            if let file = jpeg(bytes), let decoded = try? ImageDecoder.decodeWithNotes(file, fitting: nil),
                !decoded.notes.contains(where: { if case .warning = $0 { true } else { false } })
            {
                return file
            }
            return try PNGEncoder.encode(try ImageDecoder.decode(bytes), bitDepth: 8)
        case .dicom, nil: return try PNGEncoder.encode(try ImageDecoder.decode(bytes), bitDepth: 16)
        }
    }

    // MARK: PNG

    /// nil for a file that is not whole, and for one whose samples hold more than the picture.
    private static func png(_ bytes: [UInt8]) -> [UInt8]? {
        let headByteCount = 8
        var result = Array(bytes.prefix(headByteCount))
        result.reserveCapacity(bytes.count)
        var place = headByteCount
        var colorType: UInt8 = 0
        var sampleByteCount: Int?
        var samples: [UInt8] = []
        while place + 12 <= bytes.count {
            let length = number(bytes, place, 4)
            let end = place + 12 + length
            guard end <= bytes.count else { return nil }
            let name = String(decoding: bytes[(place + 4)..<(place + 8)], as: UTF8.self)
            if name == "IHDR", length == 13 {
                colorType = bytes[place + 17]
                sampleByteCount = Self.sampleByteCount(bytes[(place + 8)..<(place + 21)])
            }
            if name == "IDAT" { samples += bytes[(place + 8)..<(end - 4)] }
            if staysInPNG(name, length, colorType) { result += bytes[place..<end] }
            if name == "IEND" {
                // Decoders pass over what stands behind the samples.
                guard length == 0, let sampleByteCount else { return nil }
                return hilum_zlib_is_all(samples, samples.count, sampleByteCount) == 1 ? result : nil
            }
            place = end
        }
        return nil
    }

    /// How many bytes the samples of a PNG are, with the filter of each row, by its IHDR; nil for an interlaced one, which is rare, and for
    /// one that is too large to be decoded.
    private static func sampleByteCount(_ head: ArraySlice<UInt8>) -> Int? {
        let head = Array(head)
        let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][head[9]] ?? 0
        guard head[12] == 0, channels > 0,
            (try? ImageLimits.standard.check(
                width: number(head, 0, 4), height: number(head, 4, 4))) != nil
        else { return nil }
        let bits = number(head, 0, 4).multipliedReportingOverflow(by: channels * Int(head[8]))
        let all = number(head, 4, 4).multipliedReportingOverflow(by: (bits.partialValue + 7) / 8 + 1)
        return bits.overflow || all.overflow ? nil : all.partialValue
    }

    /// Whether a chunk says what the samples mean. The decoder passes over one of another length, so it could hold anything.
    private static func staysInPNG(_ name: String, _ length: Int, _ colorType: UInt8) -> Bool {
        switch name {
        case "IHDR": length == 13
        case "IDAT": true
        case "IEND": length == 0
        // A palette beside grey or colour is but a suggestion.
        case "PLTE": colorType == 3 && length <= 768
        case "tRNS": colorType == 3 ? length <= 256 : length == (colorType == 0 ? 2 : 6)
        case "gAMA": length == 4
        case "cHRM": length == 32
        case "sRGB": length == 1
        case "sBIT": length <= 4
        case "pHYs": length == 9
        default: false
        }
    }

    // MARK: JPEG

    /// nil for a file that does not end, or whose segments do not fit.
    private static func jpeg(_ bytes: [UInt8]) -> [UInt8]? {
        var result = Array(bytes.prefix(2))
        result.reserveCapacity(bytes.count)
        var place = 2
        // The decoder turns the picture as the first Exif segment before its frame says.
        var isTurned = false
        while true {
            // The decoder passes over bytes between two segments.
            while place + 1 < bytes.count, bytes[place] != 0xFF || bytes[place + 1] == 0 || bytes[place + 1] == 0xFF {
                place += 1
            }
            guard place + 1 < bytes.count else { return nil }
            let marker = bytes[place + 1]
            switch marker {
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
            let content = bytes[(place + 4)..<end]
            var kept: [UInt8]?
            if marker == 0xE1 {
                kept = isTurned ? nil : exif(content, &isTurned)
            } else {
                kept = segment(marker, content)
            }
            if isFrame(marker) { isTurned = true }
            if let kept {
                let length = kept.count + 2
                result += [0xFF, marker, UInt8(length >> 8), UInt8(length & 0xFF)] + kept
            }
            place = end
            guard marker == 0xDA else { continue }
            let scan = place
            place = endOfScan(bytes, from: scan)
            result += bytes[scan..<place]
        }
    }

    /// Where the samples of a scan end: at a marker that is none of theirs, or where the file ends.
    private static func endOfScan(_ bytes: [UInt8], from start: Int) -> Int {
        var place = start
        while place < bytes.count {
            guard bytes[place] == 0xFF else {
                place += 1
                continue
            }
            // Any number of 0xFF may fill up before a marker, and before the 0 that makes a sample of it.
            var next = place + 1
            while next < bytes.count, bytes[next] == 0xFF { next += 1 }
            guard next < bytes.count, bytes[next] == 0 || 0xD0...0xD7 ~= bytes[next] else { return place }
            place = next + 1
        }
        return place
    }

    private static func isFrame(_ marker: UInt8) -> Bool {
        0xC0...0xCF ~= marker && marker != 0xC4 && marker != 0xC8 && marker != 0xCC
    }

    /// What stays of a segment that is not Exif; nil for one that goes.
    private static func segment(_ marker: UInt8, _ content: ArraySlice<UInt8>) -> [UInt8]? {
        switch marker {
        case 0xE0: content.starts(with: Array("JFIF".utf8)) ? Array(content.prefix(12)) + [0, 0] : nil
        case 0xEE: content.starts(with: Array("Adobe".utf8)) ? Array(content.prefix(12)) : nil
        // Frames, tables of codes and of quantization, restart intervals, scans.
        case 0xC0...0xCF, 0xDA, 0xDB, 0xDD: Array(content)
        default: nil
        }
    }

    /// An Exif segment that says an orientation and nothing else; nil where none is needed.
    ///
    /// - Parameter isTurned: whether the segment says an orientation.
    private static func exif(_ content: ArraySlice<UInt8>, _ isTurned: inout Bool) -> [UInt8]? {
        guard let orientation = Array(content).withUnsafeBytes({ ExifOrientation.read($0) }) else { return nil }
        isTurned = true
        guard orientation != 1 else { return nil }
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
