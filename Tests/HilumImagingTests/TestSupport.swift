import Foundation
import HilumCore
import Testing

@testable import HilumImaging

/// The folder of real data beside the package, which never enters the repository; tests that need it are skipped without it.
enum SharedData {
    static let root: String = {
        if let shared = ProcessInfo.processInfo.environment["HILUM_SHARED"] { return shared + "/data" }
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return package.appendingPathComponent("../shared/data").standardizedFileURL.path
    }()

    static func has(_ folder: String) -> Bool { FileManager.default.fileExists(atPath: root + "/" + folder) }

    static func bytes(_ path: String) throws -> [UInt8] { try FileIO.read(root + "/" + path) }

    /// The rows of a JSON lines file.
    static func rows<Row: Decodable>(_ path: String, of: Row.Type) throws -> [Row] {
        try bytes(path).split(separator: 10).map { try JSONDecoder().decode(Row.self, from: Data($0)) }
    }
}

/// An image of seeded noise over a slope, so that neighbouring samples differ and rows compress a little.
func noiseImage(width: Int, height: Int, seed: UInt64) -> GrayImage {
    var generator = SeededGenerator(seed: seed)
    let samples = (0..<(width * height)).map { index in
        UInt16(truncatingIfNeeded: index * 37 + generator.integer(below: 9_000))
    }
    return GrayImage(width: width, height: height, samples: samples)
}

/// The code of the error that `body` throws; a failed expectation when it throws none.
func codeThrown(_ body: () throws -> Void) -> ImagingError.Code? {
    do {
        try body()
    } catch let error as ImagingError {
        return error.code
    } catch {
        Issue.record("an error of another type: \(error)")
    }
    return nil
}
