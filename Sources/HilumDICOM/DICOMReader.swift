// HilumDICOM decodes DICOM files with GDCM. Only the program `hilum-dicom` uses it: on some damaged files the library ends its
// process, and it takes its time to load.
//
//   bytes ─ DICOMFile ─┬─ tags ─ DICOMDescription ─ DICOMKind: refused? ──────┐
//                      └─ stored samples of the first frame ─ Rendering ──────┴─ DICOMPicture ─ DICOMService ─ the other process
//
// | file                 | contents                                                          |
// | -------------------- | ----------------------------------------------------------------- |
// | DICOMReader          | bytes to a picture                                                |
// | DICOMFile            | GDCM behind CGDCM: tags, tables, samples                          |
// | Rendering            | stored values to grey, by a table                                 |
// | LookupTable, Window  | the curves of the standard                                        |
// | DICOMService         | limits of the process, and the loop that answers requests         |

import CGDCM
import HilumImaging

/// Decodes DICOM files in this process.
package enum DICOMReader {
    /// Whether GDCM was there when this was built.
    package static var isBuilt: Bool { hilum_dicom_is_built() != 0 }

    /// Decodes the first frame to grey.
    ///
    /// - Parameter side: of the square that the picture is fitted into; nil leaves it as large as it is.
    /// - Throws: `noPicture`, `truncated`, `corrupt`, `tooManyPixels`, `unsupportedFormat`, `outOfMemory`, `decoderMissing`.
    package static func read(
        _ bytes: UnsafeRawBufferPointer, fitting side: Int?, limits: ImageLimits
    ) throws(ImagingError) -> DICOMPicture {
        let file = try DICOMFile(bytes)
        let description = DICOMDescription { file.value($0.rawValue) }
        if let kind = DICOMKind.reasonToRefuse(description) { throw ImagingError(.noPicture(kind)) }
        var info = try file.info()
        try limits.check(width: Int(info.columns), height: Int(info.rows))
        let samples = try file.samples(frame: 0, &info)
        let image = try gray(samples, info, file, description)
        return DICOMPicture(image: side.map { image.resizedToFit(side: $0) } ?? image, description: description)
    }

    private static func gray(
        _ samples: [UInt8], _ info: DICOMFile.Info, _ file: DICOMFile, _ description: DICOMDescription
    ) throws(ImagingError) -> GrayImage {
        guard info.bits_allocated <= 16 else {
            throw ImagingError(.unsupportedFormat(found: "a DICOM picture of \(info.bits_allocated) bits a sample"))
        }
        let gray: [UInt16]
        switch (Int32(info.photometric), info.channels) {
        case (Int32(HILUM_DICOM_PALETTE), 1): gray = try palette(samples, info, file)
        case (Int32(HILUM_DICOM_RGB), 3), (Int32(HILUM_DICOM_YBR), 3): gray = color(samples, info)
        case (Int32(HILUM_DICOM_MONOCHROME1), 1), (Int32(HILUM_DICOM_MONOCHROME2), 1):
            gray = monochrome(samples, info, Rendering(file, info, description))
        default: throw ImagingError(.unsupportedFormat(found: "a DICOM picture in colours of this kind"))
        }
        return GrayImage(width: Int(info.columns), height: Int(info.rows), samples: gray)
    }

    /// Calls `body` with each sample without the bits that are not stored.
    @inline(__always)
    private static func forEach(
        _ samples: [UInt8], _ info: DICOMFile.Info, _ body: (_ place: Int, _ value: Int) -> Void
    ) {
        let mask = (1 << Int(info.bits_stored)) - 1
        let shift = max(0, Int(info.high_bit) + 1 - Int(info.bits_stored))
        samples.withUnsafeBytes { raw in
            if info.bits_allocated == 8 {
                for place in 0..<raw.count { body(place, Int(raw[place]) >> shift & mask) }
            } else {
                // Safety: the samples are whole pairs of bytes.
                for place in 0..<(raw.count / 2) {
                    body(place, Int(raw.loadUnaligned(fromByteOffset: 2 * place, as: UInt16.self)) >> shift & mask)
                }
            }
        }
    }

    private static func monochrome(_ samples: [UInt8], _ info: DICOMFile.Info, _ rendering: Rendering) -> [UInt16] {
        // A negative value counts before the others: what is stored becomes a place in a table.
        let sign = info.is_signed != 0 ? 1 << (Int(info.bits_stored) - 1) : 0
        var counts = [Int](repeating: 0, count: 1 << Int(info.bits_stored))
        counts.withUnsafeMutableBufferPointer { counts in
            forEach(samples, info) { _, value in counts[value ^ sign] += 1 }
        }
        let table = rendering.grays(counts, base: -sign, isNarrow: info.bits_stored <= 8)
        let count = samples.count / (Int(info.bits_allocated) / 8)
        return [UInt16](unsafeUninitializedCapacity: count) { gray, written in
            table.withUnsafeBufferPointer { table in
                forEach(samples, info) { place, value in gray[place] = table[value ^ sign] }
            }
            written = count
        }
    }

    private static func color(_ samples: [UInt8], _ info: DICOMFile.Info) -> [UInt16] {
        let count = Int(info.columns) * Int(info.rows)
        let top = UInt32((1 << Int(info.bits_stored)) - 1)
        // The first channel of YBR is the luma.
        let isLuma = Int32(info.photometric) == Int32(HILUM_DICOM_YBR)
        let (step, pixel) = info.is_planar != 0 ? (count, 1) : (1, 3)
        var full = [UInt32](repeating: 0, count: 3 * count)
        forEach(samples, info) { place, value in full[place] = (UInt32(value) * 65_535 + top / 2) / top }
        return (0..<count).map { place in
            let start = place * pixel
            return UInt16(isLuma ? full[start] : luma(full[start], full[start + step], full[start + 2 * step]))
        }
    }

    private static func palette(
        _ samples: [UInt8], _ info: DICOMFile.Info, _ file: DICOMFile
    ) throws(ImagingError) -> [UInt16] {
        var tables: [LookupTable] = []
        for channel in UInt32(0)..<3 {
            guard let table = file.table(descriptor: 0x0028_1101 + channel, data: 0x0028_1201 + channel) else {
                throw ImagingError(.unsupportedFormat(found: "a DICOM picture with a palette of this kind"))
            }
            tables.append(table)
        }
        let grays = (0..<(1 << Int(info.bits_stored))).map { value in
            let parts = tables.map { UInt32((min($0(Double(value)), $0.top) / $0.top * 65_535).rounded()) }
            return UInt16(luma(parts[0], parts[1], parts[2]))
        }
        var gray = [UInt16](repeating: 0, count: Int(info.columns) * Int(info.rows))
        forEach(samples, info) { place, value in gray[place] = grays[value] }
        return gray
    }
}
