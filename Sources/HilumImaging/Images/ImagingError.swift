import HilumCore

/// An image could not be read or written. The description says what to do and never contains pixels.
public struct ImagingError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// The file has no bytes.
        case empty
        /// Hilum does not read this kind of file; `found` names it.
        case unsupportedFormat(found: String)
        /// The file is damaged; `reason` comes from the decoder.
        case corrupt(format: ImageFormat, reason: String)
        /// The file ends before the image is complete.
        case truncated(format: ImageFormat)
        /// The header declares more pixels, or a longer side, than the limits allow. Thrown before memory is allocated.
        case tooManyPixels(width: Int, height: Int, limit: Int)
        /// The file is longer than the limits allow.
        case tooManyBytes(byteCount: Int, limit: Int)
        /// The file could not be opened or read; the text is the system's error.
        case unreadable(String)
        /// A DICOM object that is no picture of a patient; the text says what it is.
        case noPicture(String)
        /// The program that decodes DICOM gave up on the file, or ended over it.
        case decoderStopped(reason: String)
        /// The program that decodes DICOM ended or did not answer, which says nothing about the file.
        case decoderLost(reason: String)
        /// The program that decodes DICOM cannot be started, or was built without GDCM.
        case decoderMissing(String)
        /// Memory ran out.
        case outOfMemory
        /// The encoder failed.
        case encoding(reason: String)
    }

    /// What went wrong.
    public let code: Code

    package init(_ code: Code) { self.code = code }

    /// A sentence for the user.
    public var description: String {
        switch code {
        case .empty:
            "the file is empty; send a PNG, JPEG or DICOM picture"
        case .unsupportedFormat(let found):
            found.hasSuffix("picture") || found.hasSuffix("JPEG")
                ? "\(found) is not read; convert it to PNG (1 to 16 bits, any kind) or JPEG (8 bits, grey or colour)"
                : "\(found) is not read; accepted are PNG (1 to 16 bits, any kind), JPEG (8 bits, grey or colour) and DICOM"
        case .noPicture(let kind):
            "this DICOM object is \(kind), not a picture; leave it out"
        case .decoderStopped(let reason):
            "the DICOM was given up: \(reason); fetch or export it again"
        case .decoderLost(let reason):
            "the program that decodes DICOM \(reason); try again"
        case .decoderMissing(let reason):
            "DICOM cannot be read: \(reason); see the README on DICOM"
        case .corrupt(let format, let reason):
            "the \(format.name) is damaged (\(reason)); fetch or export it again"
        case .truncated(let format):
            "the \(format.name) ends before its picture does; copy it again, whole"
        case .tooManyPixels(let width, let height, let limit):
            "\(width) x \(height) pixels are more than the limit of \(limit); make the picture smaller"
        case .tooManyBytes(let byteCount, let limit):
            "\(byteCount) bytes are more than the limit of \(limit); make the file smaller"
        case .unreadable(let reason):
            reason
        case .outOfMemory:
            "memory ran out while the picture was decoded; run fewer jobs at once"
        case .encoding(let reason):
            "the picture could not be encoded (\(reason))"
        }
    }
}

/// A kind of image file, recognised by its first bytes.
public enum ImageFormat: String, Sendable, CaseIterable {
    case png, jpeg, dicom

    /// `PNG`, `JPEG`, `DICOM`.
    public var name: String { rawValue.uppercased() }
}

/// Upper bounds for an image, checked against its header before memory is allocated.
public struct ImageLimits: Sendable, Equatable {
    /// The largest number of pixels (width × height).
    public var maxPixelCount: Int
    /// The longest file in bytes.
    public var maxByteCount: Int
    /// The longest side in pixels; the default is also the limit of JPEG itself.
    public var maxSide: Int

    /// Limits that default to those of `standard`.
    public init(maxPixelCount: Int = 100_000_000, maxByteCount: Int = 64 << 20, maxSide: Int = 65_535) {
        self.maxPixelCount = maxPixelCount
        self.maxByteCount = maxByteCount
        self.maxSide = maxSide
    }

    /// 100 million pixels, 64 MiB, 65,535 pixels per side.
    public static let standard = ImageLimits()

    /// - Throws: `tooManyPixels`.
    package func check(width: Int, height: Int) throws(ImagingError) {
        guard width <= maxSide && height <= maxSide && width * height <= maxPixelCount else {
            throw ImagingError(.tooManyPixels(width: width, height: height, limit: maxPixelCount))
        }
    }
}
