import HilumImaging

/// A structured report of DICOM (PS3.3, A.35) as text: containers and items by the names of their concepts, in the order of the tree.
///
///     CONTAINER "Findings" ─ TEXT "Finding" ─────→  Findings:
///                            NUM "Diameter" cm      The lungs are clear.
///                            CODE "Laterality"      Diameter: 1.2 cm
///     CONTAINER, continuous ─ TEXT, NUM, TEXT ────→  A mass of 3 cm was seen.
///
/// Names of persons and what describes the circumstances (`HAS OBS CONTEXT`, `HAS CONCEPT MOD`) are no part of the text.
/// Thread rule: a value.
struct StructuredReport {
    private enum Tag {
        static let characterSet: UInt32 = 0x0008_0005
        static let contentDate: UInt32 = 0x0008_0023
        static let contentTime: UInt32 = 0x0008_0033
        static let accession: UInt32 = 0x0008_0050
        static let studyDate: UInt32 = 0x0008_0020
        static let study: UInt32 = 0x0020_000D
        static let patientID: UInt32 = 0x0010_0020
        static let patientIssuer: UInt32 = 0x0010_0021
        static let sex: UInt32 = 0x0010_0040
        static let content: UInt32 = 0x0040_A730
        static let conceptName: UInt32 = 0x0040_A043
        static let conceptCode: UInt32 = 0x0040_A168
        static let measured: UInt32 = 0x0040_A300
        static let units: UInt32 = 0x0040_08EA
        static let numeric: UInt32 = 0x0040_A30A
        static let relationship: UInt32 = 0x0040_A010
        static let continuity: UInt32 = 0x0040_A050
        static let valueType: UInt32 = 0x0040_A040
        static let text: UInt32 = 0x0040_A160
        static let person: UInt32 = 0x0040_A123
        static let date: UInt32 = 0x0040_A121
        static let time: UInt32 = 0x0040_A122
        static let dateTime: UInt32 = 0x0040_A120
        static let uid: UInt32 = 0x0040_A124
        static let codeValue: UInt32 = 0x0008_0100
        static let meaning: UInt32 = 0x0008_0104
        static let completion: UInt32 = 0x0040_A491
        static let preliminary: UInt32 = 0x0040_A496
        static let evidence: UInt32 = 0x0040_A375
        static let request: UInt32 = 0x0040_A370
        static let verifier: UInt32 = 0x0040_A073
        static let verifierName: UInt32 = 0x0040_A075
        static let verifiedAt: UInt32 = 0x0040_A030
        /// Names of the patient and of physicians.
        static let persons: [UInt32] = [
            0x0008_0090, 0x0008_1048, 0x0008_1050, 0x0008_1060, 0x0008_1070, 0x0010_0010, 0x0010_1001, 0x0040_A075,
        ]
        static let sequences: Set<UInt32> = [
            content, conceptName, conceptCode, measured, units, evidence, request, verifier,
        ]
    }

    /// The concept that says that a report adds to another (PS3.16, `Addendum`).
    private static let addendum = "121078"
    /// The longest text that is put together.
    private static let textByteCount = 4 << 20

    private let decoder: TextDecoder
    private var document = ReportDocument(text: "")
    private var lines: [String] = []
    private var byteCount = 0

    /// Reads a file.
    ///
    /// - Throws: `.malformed`, `.tooLarge`, `.badText`.
    static func read(_ bytes: [UInt8]) throws(DocumentError) -> ReportFile.Outcome {
        let tree: DICOMTree
        do throws(ImagingError) { tree = try DICOMTree(bytes, sequences: Tag.sequences) } catch {
            throw DocumentError(.malformed, "\(error)")
        }
        var report = try StructuredReport(tree.root)
        try report.readContent(tree.root)
        guard !report.lines.isEmpty else { return .passedOver("DICOM: a structured report without a text") }
        report.document.text = report.lines.joined(separator: "\n")
        return .report(report.document)
    }

    private init(_ root: DICOMTree.Item) throws(DocumentError) {
        let sets = root.value(Tag.characterSet) ?? []
        decoder = try TextDecoder(
            declared: sets.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false).map {
                String(decoding: $0.filter { $0 > 32 }, as: UTF8.self)
            })
        document.studies = [try uid(Tag.study, root)].compactMap(\.self)
        for item in root.items(Tag.evidence) {
            if let study = try uid(Tag.study, item), !document.studies.contains(study) {
                document.evidence.append(study)
            }
        }
        var accessions = [try line(Tag.accession, root)]
        for item in root.items(Tag.request) {
            accessions.append(try line(Tag.accession, item))
            if let study = try uid(Tag.study, item), !document.studies.contains(study) {
                document.evidence.append(study)
            }
        }
        for case let accession? in accessions where !document.accessions.contains(accession) {
            document.accessions.append(accession)
        }
        if let number = try line(Tag.patientID, root) {
            document.patients = [.init(number: number, issuer: try line(Tag.patientIssuer, root))]
        }
        for tag in Tag.persons { note(persons: try line(tag, root)) }
        for item in root.items(Tag.verifier) { note(persons: try line(Tag.verifierName, item)) }
        document.date = try line(Tag.studyDate, root).flatMap(HL7Time.iso)
        let verified = try root.items(Tag.verifier).last.flatMap { (item) throws(DocumentError) in
            try line(Tag.verifiedAt, item)
        }
        let made = [try line(Tag.contentDate, root), try line(Tag.contentTime, root)].compactMap(\.self).joined()
        document.writtenAt = HL7Time.iso(verified ?? made)
        let sex = try line(Tag.sex, root)
        document.sex = sex.flatMap { ["M", "F", "O"].contains($0) ? $0 : nil }
        let states = [try line(Tag.completion, root), try line(Tag.preliminary, root)]
        document.status =
            !states.contains("PARTIAL") && !states.contains("PRELIMINARY")
            ? .final : .preliminary
    }

    // MARK: Values

    /// A value as text, its padding left out; nil where there is none.
    private func value(_ tag: UInt32, _ item: DICOMTree.Item) throws(DocumentError) -> String? {
        guard var bytes = item.value(tag) else { return nil }
        while let last = bytes.last, last == 0 || last == 32 { bytes.removeLast() }
        guard !bytes.contains(0) else { throw DocumentError(.malformed, "a text of the report holds a NUL") }
        let text = try decoder.decode(bytes)
        return text.isEmpty ? nil : text
    }

    private func line(_ tag: UInt32, _ item: DICOMTree.Item) throws(DocumentError) -> String? {
        guard let text = try value(tag, item) else { return nil }
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.isEmpty ? nil : line
    }

    private func uid(_ tag: UInt32, _ item: DICOMTree.Item) throws(DocumentError) -> String? {
        try line(tag, item).flatMap { ReportFile.isUID($0) ? $0 : nil }
    }

    private mutating func note(persons: String?) {
        for name in (persons ?? "").split(separator: "\\") { document.names.append(String(name)) }
    }

    // MARK: The tree

    private mutating func readContent(_ root: DICOMTree.Item) throws(DocumentError) {
        let concept = root.items(Tag.conceptName).first
        if let concept, try line(Tag.codeValue, concept) == Self.addendum { document.isAddendum = true }
        // The title of the report is no heading of a section.
        let title = try concept.flatMap { (item) throws(DocumentError) in try line(Tag.meaning, item) }
        let isContinuous = try line(Tag.continuity, root) == "CONTINUOUS"
        for item in root.items(Tag.content) { try read(item, below: title, isContinuous: isContinuous) }
    }

    /// - Parameter isContinuous: whether the item is a part of a sentence, in which names of concepts have no place.
    private mutating func read(
        _ item: DICOMTree.Item, below heading: String?, isContinuous: Bool = false
    ) throws(DocumentError) {
        let relationship = try line(Tag.relationship, item)
        let type = try line(Tag.valueType, item)
        let concept = item.items(Tag.conceptName).first
        let name = try concept.flatMap { (item) throws(DocumentError) in try line(Tag.meaning, item) }
        if type == "PNAME" {
            // A name is masked wherever it stands, and says nothing of the picture.
            note(persons: try line(Tag.person, item))
        } else if relationship == "HAS OBS CONTEXT" || relationship == "HAS CONCEPT MOD"
            || relationship == "HAS ACQ CONTEXT"
        {
            return try readContext(item)
        } else if type == "CONTAINER" {
            let place = lines.count
            let isSentence = try line(Tag.continuity, item) == "CONTINUOUS"
            for child in item.items(Tag.content) { try read(child, below: name ?? heading, isContinuous: isSentence) }
            if isSentence, lines.count > place {
                let sentence = lines[place...].joined(separator: " ")
                lines.replaceSubrange(place..., with: [sentence])
            }
            if let name, lines.count > place, !begins(lines[place], with: name) { lines.insert("\(name):", at: place) }
            return
        } else if let text = try text(of: item, type) {
            let isPlain = type == "TEXT" || type == "CODE"
            let isNamed = !isContinuous && !(isPlain && Self.isSame(name, heading))
            try append(name.flatMap { isNamed && !begins(text, with: $0) ? "\($0): \(text)" : nil } ?? text)
        }
        for child in item.items(Tag.content) { try read(child, below: name, isContinuous: isContinuous) }
    }

    private mutating func readContext(_ item: DICOMTree.Item) throws(DocumentError) {
        for child in item.items(Tag.content) where try line(Tag.valueType, child) == "PNAME" {
            note(persons: try line(Tag.person, child))
        }
    }

    private mutating func append(_ text: String) throws(DocumentError) {
        byteCount += text.utf8.count
        guard byteCount <= Self.textByteCount else {
            throw DocumentError(.tooLarge, "the report is longer than \(Self.textByteCount) bytes")
        }
        lines.append(text)
    }

    private func text(of item: DICOMTree.Item, _ type: String?) throws(DocumentError) -> String? {
        switch type {
        case "TEXT":
            let text = try value(Tag.text, item)?.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
            return text.flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }
        case "CODE":
            return try item.items(Tag.conceptCode).first.flatMap { (code) throws(DocumentError) in
                try line(Tag.meaning, code)
            }
        case "NUM":
            guard let measured = item.items(Tag.measured).first, let number = try line(Tag.numeric, measured) else {
                return nil
            }
            guard let unit = measured.items(Tag.units).first else { return number }
            let (code, meaning) = (try line(Tag.codeValue, unit), try line(Tag.meaning, unit))
            // 1 is the unit of what has none.
            return code == "1" ? number : "\(number) \(code ?? meaning ?? "")"
        case "DATE": return try line(Tag.date, item).flatMap(HL7Time.iso)
        case "TIME": return try line(Tag.time, item)
        case "DATETIME": return try line(Tag.dateTime, item).flatMap(HL7Time.iso)
        default: return nil
        }
    }

    /// Whether a name says no more than the heading above it: `Finding` below `Findings`.
    private static func isSame(_ name: String?, _ heading: String?) -> Bool {
        guard let name else { return true }
        guard let heading else { return false }
        let (one, other) = (stem(name), stem(heading))
        return one == other
    }

    private static func stem(_ name: String) -> String {
        let plain = name.lowercased()
        return plain.hasSuffix("s") ? String(plain.dropLast()) : plain
    }

    private func begins(_ text: String, with heading: String) -> Bool {
        text.lowercased().hasPrefix(heading.lowercased() + ":")
    }
}
