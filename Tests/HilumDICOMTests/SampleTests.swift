import Foundation
import HilumCore
import Testing

@testable import HilumDICOM
@testable import HilumImaging

/// Files that devices made. Skipped where ../shared/data is absent, or where GDCM was absent at the build.
@Suite(
    .enabled(if: Samples.areThere, "../shared/data/dicom-samples is absent"),
    .enabled(if: DICOMReader.isBuilt, "built without GDCM"))
struct SampleTests {
    @Test func `Every sound sample gives the stored values of its manifest, a lossy one within 1 level`() throws {
        var sound = 0
        for row in try Samples.rows() {
            guard let decoded = row.decoded else { continue }
            let samples = try stored(row.bytes())
            if row.isLossy {
                let values = samples.bytes.withUnsafeBytes { raw in
                    (0..<(raw.count / 2)).map { Double(raw.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) }
                }
                let mean = values.reduce(0, +) / Double(values.count)
                #expect(abs((values.min() ?? 0) - decoded.min) <= 1 && abs((values.max() ?? 0) - decoded.max) <= 1)
                #expect(abs(mean - decoded.mean) <= 1, "\(row.file)")
            } else {
                #expect(SHA256.hex(samples.bytes) == decoded.sha256_le, "\(row.file)")
            }
            #expect(decoded.shape.reduce(1, *) == samples.count, "\(row.file)")
            sound += 1
        }
        #expect(sound == 33)
    }

    /// The samples of all frames.
    private func stored(_ bytes: [UInt8]) throws -> (bytes: [UInt8], count: Int) {
        var all: [UInt8] = []
        var count = 0
        let file = try DICOMFile(bytes)
        let info = try file.info()
        for frame in 0..<Int(info.frames) {
            let samples = try file.samples(frame: frame, info)
            samples.withBytes { all += $0 }
            count += samples.count
        }
        return (all, count)
    }

    @Test func `The tags read without the library are those of the library`() throws {
        for row in try Samples.rows() {
            let bytes = try row.bytes()
            let header = try #require(DICOMHeader(bytes), "\(row.file)")
            guard let file = try? DICOMFile(bytes) else { continue }
            let description = DICOMDescription { file.value($0.rawValue) }
            #expect(header.description == description, "\(row.file)")
            #expect(DICOMHeader(Array(bytes.prefix(64 << 10)))?.description == description, "\(row.file)")
        }
    }

    @Test func `A file is decoded by the other process as by this one`() throws {
        for row in try Samples.rows() where row.decoded != nil {
            let bytes = try row.bytes()
            guard let own = try? read(bytes) else {
                #expect(throws: ImagingError.self, "\(row.file)") { try ImageDecoder.decode(bytes) }
                continue
            }
            let other = try ImageDecoder.read(bytes, fitting: nil)
            #expect(other.image == own.image && other.description == own.description, "\(row.file)")
            #expect(try ImageDecoder.decode(bytes, fitting: 64) == own.image.resizedToFit(side: 64), "\(row.file)")
        }
    }

    @Test func `The same film in five syntaxes is the same picture`() throws {
        let images = try ["RG3_J2KR", "RG3_JLSL", "RG3_JPLL", "RG3_RLE"].map {
            try ImageDecoder.decode(path: Samples.folder + $0 + ".dcm")
        }
        for image in images { #expect(image == images[0]) }
    }

    @Test func `Damaged files and objects without a picture are refused in words`() throws {
        let kinds: [(file: String, word: String)] = [
            ("MR_truncated.dcm", "ends before"), ("JPEG2000-embedded-sequence-delimiter.dcm", "damaged"),
            ("meta_missing_tsyntax.dcm", "damaged"), ("rtdose.dcm", "radiotherapy"),
            ("test-SR.dcm", "structured report"), ("chrJapMulti.dcm", "without pixels"),
        ]
        for (file, word) in kinds {
            let error = #expect(throws: ImagingError.self) { try ImageDecoder.decode(path: Samples.folder + file) }
            #expect(error?.description.contains(word) == true, "\(file): \(String(describing: error))")
        }
    }

    @Test(arguments: [1, 2])
    func `A file that is broken anywhere costs little time and memory, and the next one is decoded`(seed: UInt64) throws
    {
        let small = try Samples.rows().filter { try $0.decoded != nil && $0.bytes().count < 12_000 }
        #expect(small.count > 5)
        var generator = SeededGenerator(seed: seed)
        var process: DICOMProcess?
        var refused = 0
        for row in small {
            let whole = try row.bytes()
            for round in 0..<12 {
                let bytes = damaged(whole, round, &generator)
                let request = DICOMMessage.Request(byteCount: bytes.count, side: nil, limits: .standard)
                let running = try process ?? DICOMProcess(program: DICOMDecoder.program)
                process = running
                let started = monotonicSeconds()
                do {
                    if case .failure = try bytes.withUnsafeBytes({ try running.decode($0, request) }) { refused += 1 }
                    #expect(peakInMiB(running.process) < 256, "\(row.file)")
                } catch {
                    refused += 1
                    process = nil
                }
                // The process may take 2 s of a processor; on a busy machine that is longer.
                #expect(monotonicSeconds() - started < 25, "\(row.file)")
            }
            // The next one is answered as before, also where the answer is that it holds no picture.
            do throws(ImagingError) { _ = try ImageDecoder.decode(whole) } catch {
                guard case .noPicture = error.code else {
                    Issue.record("\(row.file): \(error)")
                    continue
                }
            }
        }
        #expect(refused > 10)
    }

    @Test func `What is left of a damaged compressed film does not depend on the film before it`() throws {
        var compared = 0
        for row in try Samples.rows() where row.transfer_syntax?.hasPrefix("1.2.840.10008.1.2.4") == true {
            var bytes = try row.bytes()
            guard let shape = row.decoded?.shape, bytes.count < 100_000, shape.count == 2 else { continue }
            let half = bytes.count / 2 + 400
            bytes.replaceSubrange(half..<(bytes.count - 8), with: [UInt8](repeating: 0, count: bytes.count - 8 - half))
            let results = try [UInt16(100), 4000].map { value in
                let process = try DICOMProcess(program: DICOMDecoder.program)
                let samples = [UInt16](repeating: value, count: shape[0] * shape[1])
                let before = SyntheticDICOM(width: shape[1], height: shape[0], samples: samples)
                _ = try decode(before.bytes, process)
                return try? decode(bytes, process).get()
            }
            #expect(results[0]?.image == results[1]?.image, "\(row.file)")
            compared += 1
        }
        #expect(compared >= 3)
    }

    private func damaged(_ whole: [UInt8], _ round: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = whole
        if round % 3 == 0 {
            bytes.removeLast(generator.integer(below: bytes.count - 132))
        } else {
            for _ in 0..<(1 + round) {
                bytes[132 + generator.integer(below: bytes.count - 132)] = UInt8(generator.integer(below: 256))
            }
        }
        return bytes
    }
}
