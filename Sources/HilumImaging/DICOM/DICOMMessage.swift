import HilumCore

/// What `ImageDecoder` and the program `hilum-dicom` say to each other, over one stream. Both are built from this file.
///
///     request  version (1 byte) · byte count (8) · side (4) · most pixels (8) · longest side (4) · the file
///     reply    version (1) · byte count of the outcome (4) · width (4) · height (4) · the outcome · width × height samples of 2 bytes
///
/// The version stands first in every release, so that a program left behind by an update is told from a damaged file. To a request
/// of another version the answer is the version alone, and the process ends.
///
/// Numbers are those of the machine: both ends run on it. Thread rule: values.
package enum DICOMMessage {
    /// Counts up with every change to what is said.
    package static let version: UInt8 = 2

    /// What to decode, after the version; the bytes of the file follow.
    package struct Request: Sendable, Equatable {
        package static let encodedByteCount = 24
        package var byteCount: Int
        /// Of the square that the picture is fitted into; nil leaves it as large as it is.
        package var side: Int?
        package var limits: ImageLimits

        package init(byteCount: Int, side: Int?, limits: ImageLimits) {
            self.byteCount = byteCount
            self.side = side
            self.limits = limits
        }

        package var encoded: [UInt8] {
            var writer = ByteWriter()
            writer.integer(UInt64(byteCount))
            writer.integer(UInt32(side ?? 0))
            writer.integer(UInt64(limits.maxPixelCount))
            writer.integer(UInt32(limits.maxSide))
            return writer.bytes
        }

        package init(_ bytes: [UInt8]) throws(ByteReader.Malformed) {
            self = try decoded(bytes) { (reader) throws(ByteReader.Malformed) in
                let byteCount: UInt64 = try reader.integer()
                let side: UInt32 = try reader.integer()
                let pixels: UInt64 = try reader.integer()
                let longest: UInt32 = try reader.integer()
                guard let byteCount = Int(exactly: byteCount), let pixels = Int(exactly: pixels) else {
                    throw ByteReader.Malformed()
                }
                return Request(
                    byteCount: byteCount, side: side == 0 ? nil : Int(side),
                    limits: ImageLimits(maxPixelCount: pixels, maxByteCount: byteCount, maxSide: Int(longest)))
            }
        }
    }

    /// What stands before an outcome, after the version.
    package struct ReplyHead: Sendable, Equatable {
        package static let encodedByteCount = 12
        package var outcomeByteCount: Int
        package var width: Int
        package var height: Int

        package init(outcomeByteCount: Int, width: Int, height: Int) {
            self.outcomeByteCount = outcomeByteCount
            self.width = width
            self.height = height
        }

        package var encoded: [UInt8] {
            var writer = ByteWriter()
            for number in [outcomeByteCount, width, height] { writer.integer(UInt32(number)) }
            return writer.bytes
        }

        package init(_ bytes: [UInt8]) throws(ByteReader.Malformed) {
            self = try decoded(bytes) { (reader) throws(ByteReader.Malformed) in
                let numbers: (UInt32, UInt32, UInt32) = (
                    try reader.integer(), try reader.integer(), try reader.integer()
                )
                return ReplyHead(
                    outcomeByteCount: Int(numbers.0), width: Int(numbers.1), height: Int(numbers.2))
            }
        }
    }

    /// What became of a file; the samples follow where it is a picture.
    package enum Outcome: Sendable, Equatable {
        case picture(DICOMDescription)
        case refused(ImagingError)

        package var encoded: [UInt8] {
            var writer = ByteWriter()
            switch self {
            case .picture(let description):
                writer.byte(0)
                description.encode(to: &writer)
            case .refused(let error): write(error.code, to: &writer)
            }
            return writer.bytes
        }

        package init(_ bytes: [UInt8]) throws(ByteReader.Malformed) {
            self = try decoded(bytes) { (reader) throws(ByteReader.Malformed) in
                let kind = try reader.byte()
                if kind == 0 { return .picture(try DICOMDescription(decoding: &reader)) }
                return .refused(ImagingError(try Self.code(kind, &reader)))
            }
        }

        private func write(_ code: ImagingError.Code, to writer: inout ByteWriter) {
            switch code {
            case .corrupt(_, let reason):
                writer.byte(1)
                writer.text(reason)
            case .truncated: writer.byte(2)
            case .tooManyPixels(let width, let height, let limit):
                writer.byte(3)
                for number in [width, height, limit] { writer.integer(Int64(number)) }
            case .outOfMemory: writer.byte(4)
            case .noPicture(let kind):
                writer.byte(5)
                writer.text(kind)
            case .unsupportedFormat(let found):
                writer.byte(6)
                writer.text(found)
            case .decoderMissing(let reason):
                writer.byte(7)
                writer.text(reason)
            default:
                writer.byte(1)
                writer.text("it cannot be decoded")
            }
        }

        private static func code(
            _ kind: UInt8, _ reader: inout ByteReader
        ) throws(ByteReader.Malformed) -> ImagingError.Code {
            switch kind {
            case 1: return .corrupt(format: .dicom, reason: try reader.text())
            case 2: return .truncated(format: .dicom)
            case 3:
                let numbers: (Int64, Int64, Int64) = (
                    try reader.integer(), try reader.integer(), try reader.integer()
                )
                return .tooManyPixels(width: Int(numbers.0), height: Int(numbers.1), limit: Int(numbers.2))
            case 4: return .outOfMemory
            case 5: return .noPicture(try reader.text())
            case 6: return .unsupportedFormat(found: try reader.text())
            case 7: return .decoderMissing(try reader.text())
            default: throw ByteReader.Malformed()
            }
        }
    }

    /// The longest outcome that is taken: every tag at its longest, and room.
    package static let outcomeByteCount = 64 << 10

    private static func decoded<Value>(
        _ bytes: [UInt8], _ body: (inout ByteReader) throws(ByteReader.Malformed) -> Value
    ) throws(ByteReader.Malformed) -> Value {
        var failure: ByteReader.Malformed?
        let value = bytes.withUnsafeBytes { raw -> Value? in
            var reader = ByteReader(raw)
            do throws(ByteReader.Malformed) { return try body(&reader) } catch {
                failure = error
                return nil
            }
        }
        guard let value else { throw failure ?? ByteReader.Malformed() }
        return value
    }
}
