import Foundation
import HilumCore
import Testing

@testable import HilumDICOM
@testable import HilumImaging

/// The folder of real files beside the package, which never enters the repository; tests that need it are skipped without it.
enum Samples {
    static let folder: String = {
        if let shared = ProcessInfo.processInfo.environment["HILUM_SHARED"] { return shared + "/data/dicom-samples/" }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("../shared/data/dicom-samples").standardizedFileURL.path
            + "/"
    }()

    static let areThere = FileManager.default.fileExists(atPath: folder + "manifest.jsonl")

    /// A file and what is known of it.
    struct Row: Decodable {
        struct Decoded: Decodable {
            let shape: [Int], min: Double, max: Double, mean: Double, sha256_le: String
        }
        let file: String
        let transfer_syntax: String?
        let decoded: Decoded?
        let decode_error: String?

        func bytes() throws -> [UInt8] { try FileIO.read(Samples.folder + file) }

        /// JPEG of 12 bits, for which decoders differ by a level.
        var isLossy: Bool { transfer_syntax == "1.2.840.10008.1.2.4.51" }
    }

    static func rows() throws -> [Row] {
        try FileIO.read(folder + "manifest.jsonl").split(separator: 10).map {
            try JSONDecoder().decode(Row.self, from: Data($0))
        }
    }
}

/// The picture that this process decodes.
func read(
    _ bytes: [UInt8], fitting side: Int? = nil, limits: ImageLimits = .standard, memoryInBytes: Int = 1 << 30
) throws -> DICOMPicture {
    try DICOMReader.read(bytes, fitting: side, limits: limits, memoryInBytes: memoryInBytes)
}

/// What a process makes of a file.
func decode(
    _ bytes: [UInt8], _ process: DICOMProcess, fitting side: Int? = nil
) throws -> Result<DICOMPicture, ImagingError> {
    let request = DICOMMessage.Request(byteCount: bytes.count, side: side, limits: .standard)
    return try bytes.withUnsafeBytes { try process.decode($0, request) }
}

/// The most memory that a process had in use.
func peakInMiB(_ process: pid_t) -> Int {
    let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
}

/// The code of the error that `body` throws; a failed expectation when it throws none.
func codeThrown(_ body: () throws -> Void) -> ImagingError.Code? {
    do {
        try body()
        Issue.record("nothing was refused")
    } catch let error as ImagingError {
        return error.code
    } catch {
        Issue.record("an error of another type: \(error)")
    }
    return nil
}
