import HilumCore

/// What is known of a case beside its image and its report.
///
/// This is the one list of these names: manifests, PUT, the inbox, the store, filters and replies all go through it.
public struct CaseFields: Sendable, Equatable {
    /// The fields that hold one text, in the order in which they are stored; the raw value is the key in manifests,
    /// requests and JSON.
    public enum Text: String, Sendable, CaseIterable {
        /// Whose case it is.
        case patient
        /// How the image was made, such as `CR`.
        case modality
        /// From where the image was made, such as `PA`.
        case view
        /// When: ISO 8601, of any precision.
        case date
        /// Where.
        case site
    }

    /// The key of `findings` in manifests, requests and JSON.
    public static let findingsKey = "findings"

    /// Whose case it is.
    public var patient: String?
    /// How the image was made, such as `CR`.
    public var modality: String?
    /// From where the image was made, such as `PA`.
    public var view: String?
    /// When: ISO 8601, of any precision.
    public var date: String?
    /// Where.
    public var site: String?
    /// What was found, such as `effusion left`.
    public var findings: [String]
    /// Whatever else is known, by keys of the archive's user.
    public var metadata: [String: String]

    /// Fields; by default nothing is known.
    public init(
        patient: String? = nil, modality: String? = nil, view: String? = nil, date: String? = nil, site: String? = nil,
        findings: [String] = [], metadata: [String: String] = [:]
    ) {
        self.patient = patient
        self.modality = modality
        self.view = view
        self.date = date
        self.site = site
        self.findings = findings
        self.metadata = metadata
    }

    /// A field that holds one text.
    public subscript(_ name: Text) -> String? {
        get {
            switch name {
            case .patient: patient
            case .modality: modality
            case .view: view
            case .date: date
            case .site: site
            }
        }
        set {
            switch name {
            case .patient: patient = newValue
            case .modality: modality = newValue
            case .view: view = newValue
            case .date: date = newValue
            case .site: site = newValue
            }
        }
    }

    /// The text under a key: one of `Text`, else free metadata; nil where there is none.
    func text(_ key: String) -> String? {
        if let name = Text(rawValue: key) { return self[name] }
        return metadata[key]
    }

    /// Sets the field of this key to one text: one of `Text`, else free metadata.
    ///
    /// - Precondition: the key is not that of the findings, which are a list.
    public mutating func set(_ key: String, to value: String) {
        precondition(key != Self.findingsKey, "findings are a list")
        if let name = Text(rawValue: key) { self[name] = value } else { metadata[key] = value }
    }

    /// Calls `body` with key and value of every field that holds one text, free metadata included, in no fixed order.
    func forEachText(_ body: (_ key: String, _ value: String) -> Void) {
        for name in Text.allCases {
            if let value = self[name] { body(name.rawValue, value) }
        }
        for (key, value) in metadata { body(key, value) }
    }

    // MARK: Validation

    /// Brings the fields into form (an empty text is none) and refuses what an archive does not take.
    ///
    /// - Parameter id: of the case, for the refusal.
    /// - Throws: `.limit`.
    mutating func settle(for id: String) throws(ArchiveError) {
        for name in Text.allCases where self[name] == "" { self[name] = nil }
        settleDates()
        findings.removeAll { $0.isEmpty }
        var isShort = findings.allSatisfy(Self.isShort)
        forEachText { key, value in isShort = isShort && Self.isShort(key) && Self.isShort(value) }
        guard isShort else {
            throw ArchiveError(.limit, "\(id): a field is longer than \(ArchiveLimits.fieldByteCount) bytes")
        }
        guard findings.count + metadata.count <= ArchiveLimits.fieldCount else {
            throw ArchiveError(.limit, "\(id): more than \(ArchiveLimits.fieldCount) findings and metadata keys")
        }
    }

    private static func isShort(_ text: String) -> Bool { text.utf8.count <= ArchiveLimits.fieldByteCount }

    // MARK: JSON

    /// Writes the fields as members of an object, in the order of the protocol; what is not known is left out.
    ///
    /// - Parameters:
    ///   - withMetadata: whether free metadata are written, as an object of their own.
    ///   - isComplete: whether findings and metadata are also written where there are none.
    public func write(to json: inout JSONWriter, withMetadata: Bool = false, isComplete: Bool = false) {
        for name in [Text.patient, .view, .date, .site, .modality] {
            if let value = self[name] { json.member(name.rawValue, value) }
        }
        if isComplete || !findings.isEmpty { json.member(Self.findingsKey, findings) }
        guard withMetadata, isComplete || !metadata.isEmpty else { return }
        json.key("metadata")
        json.beginObject()
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { json.member(key, value) }
        json.endObject()
    }

    /// The fields of an object that `write(to:)` wrote without free metadata, such as a hit.
    public init(_ json: JSON) {
        self.init()
        for name in Text.allCases { self[name] = json[name.rawValue]?.string }
        findings = json[Self.findingsKey]?.array?.compactMap(\.string) ?? []
    }

    // MARK: Bytes

    /// Writes the fields: the texts of `Text` (each optional), findings (count, texts), metadata (count, key and value,
    /// by key).
    func encode(to writer: inout ByteWriter) {
        for name in Text.allCases { writer.optionalText(self[name]) }
        writer.length(findings.count)
        for finding in findings { writer.text(finding) }
        writer.length(metadata.count)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            writer.text(key)
            writer.text(value)
        }
    }

    /// Reads what `encode(to:)` wrote.
    init(decoding reader: inout ByteReader) throws(ByteReader.Malformed) {
        self.init()
        for name in Text.allCases { self[name] = try reader.optionalText() }
        for _ in 0..<(try reader.length()) { findings.append(try reader.text()) }
        for _ in 0..<(try reader.length()) {
            let key = try reader.text()
            metadata[key] = try reader.text()
        }
    }
}
