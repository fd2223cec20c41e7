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
// | StoredSamples        | samples, and grey values in their place                           |
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
    /// - Parameters:
    ///   - bytes: of the file. They go as soon as the library has read them.
    ///   - side: of the square that the picture is fitted into; nil leaves it as large as it is.
    ///   - memoryInBytes: the most that the file, its samples and its grey values may take together.
    /// - Throws: `noPicture`, `truncated`, `corrupt`, `tooManyPixels`, `unsupportedFormat`, `outOfMemory`, `decoderMissing`.
    package static func read(
        _ bytes: consuming [UInt8], fitting side: Int?, limits: ImageLimits, memoryInBytes: Int
    ) throws(ImagingError) -> DICOMPicture {
        let file = try DICOMFile(bytes)
        let description = DICOMDescription { file.value($0.rawValue) }
        if let kind = DICOMKind.reasonToRefuse(description) { throw ImagingError(.noPicture(kind)) }
        let info = try file.info()
        try limits.check(width: Int(info.columns), height: Int(info.rows))
        if info.is_short != 0 {
            // How long samples in other colours should be is not known.
            guard info.photometric != UInt32(HILUM_DICOM_OTHER) else { throw otherColors }
            throw ImagingError(.truncated(format: .dicom))
        }
        try check(info, memoryInBytes)
        let image = try gray(try file.samples(frame: 0, info), file, description)
        return DICOMPicture(image: side.map { image.resizedToFit(side: $0) } ?? image, description: description)
    }

    private static var otherColors: ImagingError {
        ImagingError(.unsupportedFormat(found: "a DICOM picture in colours of this kind"))
    }

    /// Refuses a picture that would not find the memory that it takes: running out of it ends the process without a reason.
    private static func check(_ info: DICOMFile.Info, _ memoryInBytes: Int) throws(ImagingError) {
        let need = StoredSamples.byteCount(info) + Int(clamping: info.working_byte_count)
        guard need > memoryInBytes else { return }
        let pixelCount = Int(info.columns) * Int(info.rows)
        let limit = Double(pixelCount) * Double(memoryInBytes) / Double(need)
        // In round numbers: it depends on how the file is compressed.
        throw ImagingError(
            .tooManyPixels(
                width: Int(info.columns), height: Int(info.rows), limit: Int(limit) / 100_000 * 100_000))
    }

    private static func gray(
        _ samples: consuming StoredSamples, _ file: DICOMFile, _ description: DICOMDescription
    ) throws(ImagingError) -> GrayImage {
        let info = samples.info
        guard info.bits_allocated <= 16 else {
            throw ImagingError(.unsupportedFormat(found: "a DICOM picture of \(info.bits_allocated) bits a sample"))
        }
        let gray: [UInt16]
        switch (Int32(info.photometric), info.channels) {
        case (Int32(HILUM_DICOM_PALETTE), 1): gray = samples.grays(try palette(info, file), flipping: 0)
        case (Int32(HILUM_DICOM_RGB), 3): gray = samples.grays { UInt16(luma($0, $1, $2)) }
        // The first channel of YBR is the luma.
        case (Int32(HILUM_DICOM_YBR), 3): gray = samples.grays { luma, _, _ in UInt16(luma) }
        case (Int32(HILUM_DICOM_MONOCHROME1), 1), (Int32(HILUM_DICOM_MONOCHROME2), 1):
            // A negative value counts before the others: what is stored becomes a place in a table.
            let sign = info.is_signed != 0 ? 1 << (Int(info.bits_stored) - 1) : 0
            let table = Rendering(file, info, description)
                .grays(samples.counts(flipping: sign), base: -sign, isNarrow: info.bits_stored <= 8)
            gray = samples.grays(table, flipping: sign)
        default: throw otherColors
        }
        return GrayImage(width: Int(info.columns), height: Int(info.rows), samples: gray)
    }

    /// The grey of every value that a sample can have.
    private static func palette(_ info: DICOMFile.Info, _ file: DICOMFile) throws(ImagingError) -> [UInt16] {
        var tables: [LookupTable] = []
        for channel in UInt32(0)..<3 {
            guard let table = file.table(descriptor: 0x0028_1101 + channel, data: 0x0028_1201 + channel) else {
                throw ImagingError(.unsupportedFormat(found: "a DICOM picture with a palette of this kind"))
            }
            tables.append(table)
        }
        return (0..<(1 << Int(info.bits_stored))).map { value in
            let parts = tables.map { UInt32((min($0(Double(value)), $0.top) / $0.top * 65_535).rounded()) }
            return UInt16(luma(parts[0], parts[1], parts[2]))
        }
    }
}
