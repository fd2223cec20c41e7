import Foundation
import Testing

@testable import HilumDocuments

/// The one report of a message.
func report(of bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) throws -> ReportDocument {
    let outcomes = ReportFile.outcomes(bytes[...])
    guard outcomes.count == 1, case .report(let document)? = outcomes.first else {
        Issue.record("\(outcomes)", sourceLocation: sourceLocation)
        throw CancellationError()
    }
    return document
}

/// The reports of a message that holds nothing else.
func reports(of bytes: [UInt8]) throws -> [ReportDocument] {
    try ReportFile.outcomes(bytes[...]).map { outcome in
        guard case .report(let document) = outcome else { throw CancellationError() }
        return document
    }
}

/// Why a message gives no report.
func reason(of bytes: [UInt8]) -> String? {
    let outcomes = ReportFile.outcomes(bytes[...])
    guard outcomes.count == 1 else { return nil }
    switch outcomes[0] {
    case .report: return nil
    case .passedOver(let reason), .refused(let reason): return reason
    }
}

/// A folder for one test, removed with it.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "hilum-documents-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}
