import HilumCore

/// What the tags of a DICOM file say, as text.
///
/// A value in a character set that is neither ASCII, Latin-1 nor UTF-8 is left out, as is one that says nothing. Thread rule: a value.
public struct DICOMDescription: Sendable, Equatable {
    private var values: [DICOMTag: String] = [:]

    /// The longest value that is kept, in bytes.
    private static let valueByteCount = 256

    /// Reads every tag of `DICOMTag`.
    ///
    /// - Parameter bytes: the value of a tag; nil where there is none.
    package init(_ bytes: (DICOMTag) -> [UInt8]?) {
        let set = bytes(.characterSet).flatMap { Self.text($0, "") } ?? ""
        for tag in DICOMTag.allCases {
            guard let value = bytes(tag), value.count <= Self.valueByteCount else { continue }
            if let text = Self.text(value, set), !text.isEmpty { values[tag] = text }
        }
    }

    /// A value of one tag; without spaces around it. Of several values it is all of them, with `\` between.
    public subscript(tag: DICOMTag) -> String? { values[tag] }

    private static func text(_ padded: [UInt8], _ set: String) -> String? {
        var bytes = padded
        while bytes.last == 0 || bytes.last == 32 { bytes.removeLast() }
        let text: String
        if bytes.allSatisfy({ $0 < 128 }) {
            // An escape begins another character set (ISO 2022).
            guard bytes.allSatisfy({ $0 >= 32 && $0 < 127 }) else { return nil }
            text = String(decoding: bytes, as: UTF8.self)
        } else if set.contains("ISO_IR 192") {
            guard let valid = String(validating: bytes, as: UTF8.self) else { return nil }
            text = valid
        } else if set == "ISO_IR 100" || set == "ISO 2022 IR 100" {
            text = String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        } else {
            return nil
        }
        var trimmed = Substring(text)
        while trimmed.first == " " { trimmed.removeFirst() }
        return String(trimmed)
    }

    // MARK: What it means

    /// From where the picture was made, such as `PA`.
    public var view: String? { self[.viewPosition]?.uppercased() }

    /// `L`, `R` or `B`.
    public var laterality: String? { self[.imageLaterality] ?? self[.laterality] }

    /// The day of the study, as ISO 8601.
    public var date: String? {
        for tag in [DICOMTag.studyDate, .seriesDate, .acquisitionDate, .contentDate] {
            // `2004.01.19` is how the older ACR-NEMA wrote it.
            let digits = self[tag]?.utf8.filter { $0 != UInt8(ascii: ".") } ?? []
            guard digits.count == 8, digits.allSatisfy({ (48...57).contains($0) }) else { continue }
            let text = String(decoding: digits, as: UTF8.self)
            let (month, day) = (Int(text.dropFirst(4).prefix(2)) ?? 0, Int(text.suffix(2)) ?? 0)
            if (1...12).contains(month), (1...31).contains(day) {
                return "\(text.prefix(4))-\(text.dropFirst(4).prefix(2))-\(text.suffix(2))"
            }
        }
        return nil
    }

    /// The patient's age in whole years.
    public var ageInYears: Int? {
        guard let text = self[.age], let unit = text.last, let count = Int(text.dropLast()), count >= 0 else {
            return nil
        }
        switch unit {
        case "Y": return count
        case "M": return count / 12
        case "W": return count / 52
        case "D": return count / 365
        default: return nil
        }
    }

    /// How many pictures the file holds.
    public var frameCount: Int { self[.frameCount].flatMap { Int($0) }.map { max(1, $0) } ?? 1 }

    /// Whether the device says that it wrote into the picture.
    public var saysBurnedIn: Bool { self[.burnedIn]?.uppercased() == "YES" }

    // MARK: Bytes

    package func encode(to writer: inout ByteWriter) {
        writer.length(values.count)
        for (tag, text) in values.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            writer.integer(tag.rawValue)
            writer.text(text)
        }
    }

    package init(decoding reader: inout ByteReader) throws(ByteReader.Malformed) {
        for _ in 0..<(try reader.length()) {
            let tag: UInt32 = try reader.integer()
            let text = try reader.text()
            if let tag = DICOMTag(rawValue: tag) { values[tag] = text }
        }
    }
}
