import Foundation
import HilumCore
import HilumImaging

// HilumDocuments reads reports as other systems send them, and says what they say of whose they are.
//
//     a file ── ReportFile: what is it? ─┬─ HL7Splitter ─ HL7Message ─ HL7Reports ──┐
//                                        └─ DICOMTree ─ StructuredReport ───────────┴─ ReportDocument: text, keys, persons
//
// | files                                               | what they do |
// | --------------------------------------------------- | ------------ |
// | `ReportFile`, `ReportDocument`, `DocumentError`     | the module as others see it |
// | HL7/: `HL7Splitter`, `HL7Message`, `HL7Escapes`, `HL7Result`, `HL7Reports`, `HL7Time` | messages ORU^R01 of HL7 version 2 |
// | SR/: `StructuredReport`                             | structured reports of DICOM |
// | Text/: `TextDecoder`                                | character sets |

/// A file that holds reports in another form than plain text: HL7 messages, or a structured report of DICOM.
///
/// What it is, is told by its content. Thread rule: no state; any thread.
public enum ReportFile {
    /// What a file is.
    public enum Kind: Sendable, Equatable {
        /// One message of HL7 version 2, or many.
        case hl7
        /// A structured report of DICOM.
        case structuredReport
    }

    /// What became of a part of a file.
    public enum Outcome: Sendable, Equatable {
        /// It is a report.
        case report(ReportDocument)
        /// It is something else, such as a result of a laboratory; the text says what, and names nobody.
        case passedOver(String)
        /// It cannot be read; the text says why.
        case refused(String)
    }

    /// Where a report stands in its file.
    public struct Place: Sendable, Hashable {
        /// The bytes of its message; nil for the whole file.
        public var range: Range<Int>?
        /// Its number among the reports of the message, from 0.
        public var order: Int

        /// A place.
        public init(range: Range<Int>? = nil, order: Int = 0) {
            self.range = range
            self.order = order
        }
    }

    /// The largest file of messages.
    public static let byteCountLimit = 256 << 20
    /// The largest message.
    public static let messageByteCountLimit = 16 << 20
    /// Enough of a file to tell messages from other texts.
    public static let headByteCount = 64

    /// The classes of structured reports that hold a report in words: basic text, enhanced, comprehensive, comprehensive 3D, extensible.
    private static let reportClasses: Set<String> = Set(
        ["11", "22", "33", "34", "35"].map { "1.2.840.10008.5.1.4.1.1.88.\($0)" })

    /// Whether a file that begins with `head` holds messages.
    public static func isHL7(_ head: [UInt8]) -> Bool { HL7Splitter.isHL7(head) }

    /// Whether a line of a text begins a message or names its patient, so that the text is no report but a message behind other words.
    ///
    /// - Complexity: O(bytes)
    public static func holdsMessage(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var isLineStart = true
            for (place, byte) in bytes.enumerated() {
                let rest = bytes[place...]
                if isLineStart, byte == UInt8(ascii: "M"), rest.starts(with: "MSH|^~".utf8) { return true }
                if isLineStart, byte == UInt8(ascii: "P"), rest.starts(with: "PID|".utf8),
                    let next = rest.dropFirst(4).first, next == UInt8(ascii: "|") || 48...57 ~= next
                {
                    return true
                }
                isLineStart = 10...13 ~= byte
            }
            return false
        }
    }

    /// Whether a DICOM object of this class is a report in words.
    public static func isReport(objectClass: String?) -> Bool { objectClass.map(reportClasses.contains) ?? false }

    /// What a file is by its first bytes; nil for another kind.
    ///
    /// - Throws: `.unreadable` for a file that cannot be opened, which may pass: nobody knows then what it is.
    public static func kind(at path: String) throws(DocumentError) -> Kind? {
        let head: [UInt8]
        do throws(FileError) { head = try FileHead.bytes(of: path, byteCount: 256) } catch {
            throw DocumentError(.unreadable, error.description)
        }
        if isHL7(head) { return .hl7 }
        guard ImageDecoder.format(of: head) == .dicom, let header = DICOMHeader(path: path) else { return nil }
        return isReport(objectClass: header.description[.objectClass]) ? .structuredReport : nil
    }

    /// Everything that a file holds.
    ///
    /// - Throws: `.unreadable`, `.tooLarge`.
    /// - Complexity: O(bytes)
    public static func outcomes(at path: String, _ kind: Kind) throws(DocumentError) -> [(
        place: Place, outcome: Outcome
    )] {
        switch kind {
        case .structuredReport:
            let bytes = try read(path, limitInBytes: DICOMTree.byteCountLimit)
            return [(Place(), structuredReport(bytes))]
        case .hl7:
            let bytes = try read(path, limitInBytes: byteCountLimit)
            return HL7Splitter.messages(bytes).flatMap { message in
                outcomes(bytes[message.range], isCut: message.isCut).enumerated().map { order, outcome in
                    (Place(range: message.range, order: order), outcome)
                }
            }
        }
    }

    /// The report at one place of a file, read again.
    ///
    /// - Throws: `.unreadable`, `.tooLarge`; `.malformed` where it is not there any more.
    public static func document(at path: String, _ kind: Kind, _ place: Place) throws(DocumentError) -> ReportDocument {
        let outcome: Outcome?
        switch kind {
        case .structuredReport: outcome = structuredReport(try read(path, limitInBytes: DICOMTree.byteCountLimit))
        case .hl7:
            let bytes = try read(path, range: place.range ?? 0..<0)
            let found = outcomes(bytes[...], isCut: false)
            outcome = found.indices.contains(place.order) ? found[place.order] : nil
        }
        switch outcome {
        case .report(let document): return document
        case .passedOver(let reason), .refused(let reason): throw DocumentError(.malformed, reason)
        case nil: throw DocumentError(.malformed, "the report is not there any more")
        }
    }

    static func structuredReport(_ bytes: [UInt8]) -> Outcome {
        do throws(DocumentError) { return try StructuredReport.read(bytes) } catch {
            return .refused(error.description)
        }
    }

    /// What one message holds.
    static func outcomes(_ message: ArraySlice<UInt8>, isCut: Bool = false) -> [Outcome] {
        if isCut { return [.refused("the message is cut off: the end of its frame is missing")] }
        guard message.count <= messageByteCountLimit else {
            return [.refused("the message is longer than \(messageByteCountLimit) bytes")]
        }
        do throws(DocumentError) { return try HL7Reports.read(message) } catch { return [.refused(error.description)] }
    }

    // MARK: Reading

    private static func read(_ path: String, limitInBytes: Int) throws(DocumentError) -> [UInt8] {
        do throws(FileError) { return try FileIO.read(path, limitInBytes: limitInBytes) } catch {
            if case .tooLarge = error.code { throw DocumentError(.tooLarge, error.description) }
            throw DocumentError(.unreadable, error.description)
        }
    }

    private static func read(_ path: String, range: Range<Int>) throws(DocumentError) -> [UInt8] {
        let descriptor = FencedFolders.open(path)
        guard descriptor >= 0 else { throw DocumentError(.unreadable, "\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let count = min(range.count, messageByteCountLimit)
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count, let base = buffer.baseAddress {
                // Safety: the buffer holds `count` bytes and `initialized` is below that.
                let got = pread(
                    descriptor, base + initialized, count - initialized, off_t(range.lowerBound + initialized))
                if got < 0 && errno == EINTR { continue }
                if got <= 0 { return }
                initialized += got
            }
        }
    }

    /// Whether a text is a UID of DICOM.
    static func isUID(_ text: String) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, text.utf8.count <= 64 else { return false }
        let isDigit: (UInt8) -> Bool = { (48...57).contains($0) }
        return isDigit(first) && isDigit(last) && text.utf8.contains(UInt8(ascii: "."))
            && text.utf8.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") }
    }
}
