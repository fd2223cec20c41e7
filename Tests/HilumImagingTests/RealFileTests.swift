import Foundation
import HilumCore
import Testing

@testable import HilumImaging

/// Files that others made: PngSuite, real radiographs, stored DICOM values. Skipped where ../shared/data is absent.
@Suite struct RealFileTests {
    private struct SuiteRow: Decodable {
        struct Samples: Decodable { let planes: Int, bitdepth: Int, sha256_samples_be: String }
        let file: String
        let deliberately_corrupt: Bool
        let width: Int?
        let height: Int?
        let pypng: Samples?
    }

    private struct CaseRow: Decodable { let image: String, width: Int, height: Int }

    private struct OriginalRow: Decodable { let file: String, true_format: String, width: Int, height: Int }

    private struct StoredRow: Decodable { let file: String, width: Int, height: Int, sha256_samples_be: String }

    @Test(.enabled(if: SharedData.has("png-suite"), "../shared/data/png-suite is absent"))
    func `Every sound file of PngSuite gives the samples of its reference and becomes grey`() throws {
        let rows = try SharedData.rows("png-suite/manifest.jsonl", of: SuiteRow.self).filter {
            !$0.deliberately_corrupt
        }
        #expect(rows.count == 161)
        for row in rows {
            let bytes = try SharedData.bytes("png-suite/" + row.file)
            let samples = try ImageDecoder.pngSamples(bytes)
            #expect(samples.planes == row.pypng?.planes, "\(row.file)")
            #expect(samples.bitDepth == row.pypng?.bitdepth, "\(row.file)")
            #expect(SHA256.hex(samples.bytes) == row.pypng?.sha256_samples_be, "\(row.file)")
            let image = try ImageDecoder.decode(bytes)
            #expect(image.width == row.width && image.height == row.height, "\(row.file)")
        }
    }

    @Test(.enabled(if: SharedData.has("png-suite"), "../shared/data/png-suite is absent"))
    func `Every corrupt file of PngSuite is refused with a reason`() throws {
        let rows = try SharedData.rows("png-suite/manifest.jsonl", of: SuiteRow.self).filter { $0.deliberately_corrupt }
        #expect(rows.count == 14)
        for row in rows {
            let bytes = try SharedData.bytes("png-suite/" + row.file)
            #expect(throws: ImagingError.self, "\(row.file)") { try ImageDecoder.decode(bytes) }
        }
    }

    @Test(.enabled(if: SharedData.has("png-suite"), "../shared/data/png-suite is absent"))
    func `The interlaced files of PngSuite give the same grey as their plain twins`() throws {
        for kind in [
            "0g01", "0g02", "0g04", "0g08", "0g16", "2c08", "2c16", "3p01", "3p02", "3p04", "3p08", "4a08", "4a16",
            "6a08", "6a16",
        ] {
            let plain = try ImageDecoder.decode(SharedData.bytes("png-suite/png/basn\(kind).png"))
            let interlaced = try ImageDecoder.decode(SharedData.bytes("png-suite/png/basi\(kind).png"))
            #expect(plain == interlaced, "\(kind)")
        }
    }

    @Test(.enabled(if: SharedData.has("cxr-real"), "../shared/data/cxr-real is absent"))
    func `Every real radiograph decodes to the size its manifest gives`() throws {
        let rows = try SharedData.rows("cxr-real/cases.jsonl", of: CaseRow.self)
        #expect(rows.count == 176)
        for row in rows {
            let image = try ImageDecoder.decode(path: SharedData.root + "/cxr-real/" + row.image)
            #expect(image.width == row.width && image.height == row.height, "\(row.image)")
        }
    }

    @Test(.enabled(if: SharedData.has("cxr-real"), "../shared/data/cxr-real is absent"))
    func `Every untouched original decodes by its content, also under a wrong name`() throws {
        for row in try SharedData.rows("cxr-real/originals.jsonl", of: OriginalRow.self) {
            let bytes = try SharedData.bytes("cxr-real/" + row.file)
            #expect(ImageDecoder.format(of: bytes)?.name == row.true_format, "\(row.file)")
            let image = try ImageDecoder.decode(bytes)
            #expect(image.width == row.width && image.height == row.height, "\(row.file)")
        }
    }

    @Test(.enabled(if: SharedData.has("cxr-16bit"), "../shared/data/cxr-16bit is absent"))
    func `Samples of 16 bits come through unchanged`() throws {
        for row in try SharedData.rows("cxr-16bit/manifest.jsonl", of: StoredRow.self) {
            let image = try ImageDecoder.decode(path: SharedData.root + "/cxr-16bit/" + row.file)
            #expect(image.width == row.width && image.height == row.height, "\(row.file)")
            let bytes = image.samples.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
            #expect(SHA256.hex(bytes) == row.sha256_samples_be, "\(row.file)")
            let again = try ImageDecoder.decode(PNGEncoder.encode(image, bitDepth: 16))
            #expect(again == image, "\(row.file)")
        }
    }
}
