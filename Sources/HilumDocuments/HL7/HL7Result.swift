import Foundation

/// What one result of a message (OBX) says: its heading and its value as text.
struct HL7Result {
    /// What kind of value it has.
    enum Kind {
        /// Sentences.
        case narrative
        /// A number, a code or a date, which a heading explains.
        case value
        /// A document or a picture in a form that is not read.
        case unread(String)
    }

    /// What the value is about; nil where the result is the report itself.
    var heading: String?
    var text = ""
    var kind = Kind.narrative
    /// Whether it says by its identifier that it adds to a report.
    var isAddendum = false
    /// Whether its identifier is one of a report of images: a suffix or a code of LOINC.
    var isKnownPart = false
    /// The UID of the study, where the result is that.
    var study: String?

    /// What parts of a report are called: by the suffix of an identifier (chapter 7.2.4), and by code of LOINC.
    private static let parts: [String: String] = [
        "IMP": "IMPRESSION", "GDT": "FINDINGS", "REC": "RECOMMENDATION", "ADT": "ADDENDUM",
        "TCM": "COMMENT", "19005-8": "IMPRESSION", "59776-5": "FINDINGS", "18782-3": "FINDINGS",
        "18783-1": "RECOMMENDATION", "18834-2": "COMPARISON", "11329-0": "HISTORY", "55115-0": "INDICATION",
        "18785-6": "INDICATION", "55111-9": "TECHNIQUE", "55107-7": "ADDENDUM", "55108-5": "INDICATION",
        "55109-3": "COMPLICATIONS", "55110-1": "IMPRESSION", "55112-7": "SUMMARY",
    ]
    /// Codes and names that mean the report as a whole.
    private static let wholes: Set<String> = [
        "", "REPORT", "RADIOLOGY REPORT", "RADIOLOGYREPORT", "RAD REPORT", "REPORT TEXT", "REPORT BODY", "BODY",
        "BDY", "TEXT", "NARRATIVE", "RESULT", "OBSERVATION", "STUDY REPORT", "DIAGNOSTIC IMAGING REPORT",
        "DIAGNOSTIC IMAGING STUDY", "RADIOLOGY STUDY OBSERVATION (NARRATIVE)", "18748-4", "RP", "TX", "GDT",
        "FULL REPORT", "FINAL REPORT", "REPORT LINE", "読影レポート", "読影報告書", "レポート", "報告書",
    ]
    private static let studyNames: Set<String> = ["STUDYINSTANCEUID", "DICOMSTUDY", "113014", "110180"]

    /// Reads one result.
    ///
    /// - Parameter title: what the order is called, in capital letters: a result of that name is the report itself.
    init(_ message: HL7Message, _ segment: HL7Message.Segment, title: Set<String>) {
        let identifier = message.repetitions(message.field(3, of: segment)).first ?? []
        let code = message.component(1, of: identifier, sub: 1)?.uppercased() ?? ""
        let suffix = message.component(1, of: identifier, sub: 2)?.uppercased()
        let name = message.component(2, of: identifier) ?? message.component(5, of: identifier)
        let other = message.component(4, of: identifier)?.uppercased()
        if let part = [suffix, code, other].compactMap({ $0.flatMap { Self.parts[$0] } }).first {
            heading = part
            isKnownPart = true
        } else {
            let spelled = name ?? code
            let upper = spelled.uppercased()
            heading = Self.wholes.contains(upper) || title.contains(upper) ? nil : spelled
        }
        isAddendum = heading == "ADDENDUM" || heading?.uppercased() == "ADDENDUM"
        let units = message.repetitions(message.field(6, of: segment)).first
        read(
            message, type: message.first(2, of: segment)?.uppercased() ?? "ST", message.field(5, of: segment),
            units: units.flatMap { message.component(2, of: $0) ?? message.component(1, of: $0) })
        let names = [code, name?.uppercased() ?? ""].map { $0.filter { $0.isLetter || $0.isNumber } }
        if names.contains(where: Self.studyNames.contains) {
            let value = message.repetitions(message.field(5, of: segment)).first
            study = value.flatMap { message.component(1, of: $0) }
        }
    }

    private mutating func read(_ message: HL7Message, type: String, _ field: ArraySlice<UInt8>, units: String?) {
        let values = message.repetitions(field)
        let escapes = HL7Escapes(message)
        switch type {
        case "TX", "FT", "ST":
            // Lines of a text are repetitions. A sign that separates components stands in it for itself.
            text = values.map { escapes.text($0) }.joined(separator: "\n")
        case "CE", "CWE", "CNE", "CF", "IS", "ID":
            // An impression may be dictated text in the place of the text of a code.
            kind = isKnownPart ? .narrative : .value
            text = values.compactMap { value in
                [9, 2, 5, 1].compactMap { message.component($0, of: value) }.first
            }.joined(separator: ", ")
        case "NM", "SN":
            kind = .value
            let numbers = values.map { value in
                let parts = (1...4).compactMap { message.component($0, of: value) }
                return parts.joined()
            }
            text = numbers.filter { !$0.isEmpty }.joined(separator: ", ")
            if let units, !text.isEmpty { text += " \(units)" }
        case "DT", "TM", "TS", "DTM":
            kind = .value
            text = values.compactMap { message.component(1, of: $0) }.joined(separator: ", ")
        case "ED": readDocument(message, values.first ?? [])
        case "RP": kind = .unread("a pointer to a document")
        default: kind = .unread("a value of the type \(type.prefix(3).filter { $0.isASCII && $0.isLetter })")
        }
        if case .unread = kind { text = "" }
    }

    /// Encapsulated data: `source ^ type ^ subtype ^ encoding ^ data`.
    private mutating func readDocument(_ message: HL7Message, _ value: ArraySlice<UInt8>) {
        let type = message.component(2, of: value)?.uppercased() ?? ""
        let form = message.component(3, of: value)?.uppercased() ?? ""
        let encoding = message.component(4, of: value)?.uppercased() ?? "A"
        guard ["", "PLAIN", "TEXT", "TXT", "OCTET-STREAM"].contains(form), type != "IMAGE" else {
            kind = .unread("a document of the kind \(form.filter { $0.isASCII && $0.isLetter }.prefix(12))")
            return
        }
        let parts = value.split(separator: message.separators.component, omittingEmptySubsequences: false)
        guard parts.count > 4 else { return }
        guard encoding != "A" else {
            // A sign that separates components stands in the data for itself.
            text = HL7Escapes(message).text(value[parts[4].startIndex...])
            return
        }
        guard encoding == "BASE64",
            let data = Data(base64Encoded: Data(parts[4]), options: .ignoreUnknownCharacters)
        else {
            kind = .unread("a document whose bytes cannot be read")
            return
        }
        guard !data.starts(with: Array("%PDF".utf8)), !data.contains(0), let read = try? message.decoder.decode(data)
        else {
            kind = .unread(data.starts(with: Array("%PDF".utf8)) ? "a document of the kind PDF" : "no text")
            return
        }
        text = read.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    }
}
