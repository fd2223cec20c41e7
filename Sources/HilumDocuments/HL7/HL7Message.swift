/// One message of HL7 version 2 in segments and fields, by the separators that it declares (chapter 2 of the standard).
///
/// Segments end with CR; LF and CR LF are taken too. A line that begins with no name of a segment goes on with the field before it, as some
/// programs write the lines of a report. Thread rule: a value.
struct HL7Message {
    /// What separates the parts, and how they are written where they are no separators.
    struct Separators {
        var field: UInt8
        var component: UInt8
        var repetition: UInt8
        /// Nil where the message declares none.
        var escape: UInt8?
        var subcomponent: UInt8
    }

    /// A segment: its name, and its fields as they stand, from number 1.
    struct Segment {
        let name: String
        fileprivate(set) var fields: [ArraySlice<UInt8>]
    }

    let separators: Separators
    let decoder: TextDecoder
    private(set) var segments: [Segment] = []

    /// More than any program writes: text lies in few long segments or in a thousand short ones.
    private static let segmentLimit = 200_000
    /// Segments of messages ORU^R01 and of their frames. A line of a report may look like the name of another one: `LLL`, `MRI`.
    private static let known: Set<String> = [
        "MSH", "SFT", "UAC", "ARV", "PID", "PD1", "PRT", "NTE", "NK1", "PV1", "PV2", "AL1", "IAM", "DB1", "DG1", "ACC",
        "GT1", "IN1", "IN2", "IN3", "ORC", "OBR", "TQ1", "TQ2", "CTD", "OBX", "FT1", "CTI", "SPM", "SAC", "IPC", "ADD",
        "DSC", "BLG", "ROL", "TXA", "EVN", "MSA", "ERR", "FHS", "FTS", "BHS", "BTS", "CON", "SID", "PDA",
    ]

    /// Those that no line of a report is called.
    private static let frequent: Set<String> = ["MSH", "PID", "PV1", "PV2", "NK1", "ORC", "OBR", "OBX", "NTE"]

    /// Those of them that say nothing and begin nothing where they have no field.
    private static let silent = frequent.subtracting(["MSH", "PID", "OBR"])

    /// - Parameter bytes: from `MSH` on.
    /// - Throws: `.malformed`, `.badText`.
    init(_ bytes: ArraySlice<UInt8>) throws(DocumentError) {
        guard !bytes.contains(0) else {
            throw DocumentError(.malformed, "the message holds a NUL; write it in an 8-bit character set")
        }
        separators = try Self.separators(bytes)
        let head = bytes.prefix { $0 != 13 && $0 != 10 }
        let fields = head.split(separator: separators.field, omittingEmptySubsequences: false)
        // The separator itself is field 1.
        let sets = fields.count > 17 ? fields[17] : []
        decoder = try TextDecoder(
            declared: sets.split(separator: separators.repetition, omittingEmptySubsequences: false).map { set in
                String(decoding: set.prefix { $0 != 94 }, as: UTF8.self)
            })
        // Characters of two bytes may hold the bytes of separators, so all is text before it is split.
        let text = Array(try decoder.decode(bytes).utf8)
        try split(text)
    }

    private static func separators(_ bytes: ArraySlice<UInt8>) throws(DocumentError) -> Separators {
        let head = Array(bytes.prefix(10))
        guard head.count > 5 else { throw DocumentError(.malformed, "the message ends in its first segment") }
        let own = head[4...].prefix { $0 != head[3] && $0 > 32 }
        let signs = Array(own)
        guard signs.count >= 2, Set([head[3]] + signs).count == signs.count + 1,
            signs.allSatisfy({ 33...126 ~= $0 && !isAlphanumeric($0) })
        else { throw DocumentError(.malformed, "MSH-2 declares no separators, such as ^~\\&") }
        return Separators(
            field: head[3], component: signs[0], repetition: signs[1], escape: signs.count > 2 ? signs[2] : nil,
            subcomponent: signs.count > 3 ? signs[3] : UInt8(ascii: "&"))
    }

    private mutating func split(_ text: [UInt8]) throws(DocumentError) {
        var lines = 0
        for line in text.split(omittingEmptySubsequences: true, whereSeparator: { $0 == 13 || $0 == 10 }) {
            lines += 1
            guard lines <= Self.segmentLimit else {
                throw DocumentError(.tooLarge, "the message has more than \(Self.segmentLimit) segments")
            }
            let name = Array(line.prefix(3))
            // A segment without a field says nothing, and the text goes on behind it.
            if line.count == 3, isInText, Self.silent.contains(String(decoding: name, as: UTF8.self)) { continue }
            if name.count == 3, name.allSatisfy({ 65...90 ~= $0 || 48...57 ~= $0 }), 65...90 ~= name[0],
                line.count == 3 || line[line.startIndex + 3] == separators.field,
                let spelled = Optional(String(decoding: name, as: UTF8.self)),
                isSegment(spelled, hasFields: line.count > 3)
            {
                let fields = line.dropFirst(4).split(separator: separators.field, omittingEmptySubsequences: false)
                let segment = Segment(name: spelled, fields: fields)
                // ADD carries on the last field of the segment before it.
                guard segment.name == "ADD" else {
                    segments.append(segment)
                    continue
                }
                extend(by: segment.fields.first ?? [], joint: [])
            } else {
                extend(by: line, joint: [10])
            }
        }
    }

    /// Whether a line with a name in front is a segment, and no line of a report that goes on.
    private func isSegment(_ name: String, hasFields: Bool) -> Bool {
        // A name alone says nothing but that it may be a word.
        if isInText && !hasFields { return Self.frequent.contains(name) }
        return Self.known.contains(name) || name.first == "Z" || !isInText
    }

    /// Whether the last segment holds lines of a report.
    private var isInText: Bool { segments.last.map { Self.textFields[$0.name] != nil } ?? false }

    /// The field of a segment that holds lines of a report.
    private static let textFields = ["OBX": 5, "NTE": 3]

    private mutating func extend(by rest: ArraySlice<UInt8>, joint: [UInt8]) {
        // In place: a report may go on over a hundred thousand lines.
        let last = segments.count - 1
        guard last >= 0, !segments[last].fields.isEmpty else { return }
        let field = segments[last].fields.count - 1
        // Behind a whole segment the line is the next one of its text, and separators in it stand for themselves.
        if !joint.isEmpty, let text = Self.textFields[segments[last].name], field >= text {
            segments[last].fields[text - 1] += joint
            segments[last].fields[text - 1] += rest
            return
        }
        // The text of a result is its fifth field; what follows it on the line belongs to the segment.
        let parts = rest.split(separator: separators.field, omittingEmptySubsequences: false)
        let name = segments[last].name
        let count = Self.textFields[name] == field + 1 ? textCount(parts, name) : 1
        let text = parts.prefix(count).joined(separator: [separators.field])
        segments[last].fields[field] += joint
        segments[last].fields[field] += text
        segments[last].fields += parts.dropFirst(count)
    }

    /// How many of the parts of a line between bars are text: all of them, unless those at its end look like the fields behind a text.
    private func textCount(_ parts: [ArraySlice<UInt8>], _ name: String) -> Int {
        let lastFull = parts.lastIndex { !$0.isEmpty } ?? 0
        return (1..<max(1, parts.count)).first { start in
            if start > lastFull { return true }
            let count = parts.count - start
            guard name == "OBX" else {
                // The kind of a comment, such as RE.
                return count == 1 && parts[start].count <= 2 && parts[start].allSatisfy { 65...90 ~= $0 }
            }
            // Field 11 of a result is its status, and no field before it holds words.
            guard count >= 6, parts[start + 5].count == 1, Self.statuses.contains(parts[start + 5].first ?? 0) else {
                return false
            }
            return parts[start..<(start + 5)].allSatisfy { !$0.contains(32) }
        } ?? parts.count
    }

    /// What a result may be (table 0085).
    private static let statuses = Set("ABCDFINOPRSUVWX".utf8)

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        48...57 ~= byte || 65...90 ~= byte || 97...122 ~= byte
    }

    // MARK: Fields

    /// Field `number` of a segment, as HL7 counts; empty where there is none. `""`, which deletes a value, is none.
    func field(_ number: Int, of segment: Segment) -> ArraySlice<UInt8> {
        // In the first segment the separator itself is field 1.
        let place = number - (segment.name == "MSH" ? 2 : 1)
        guard segment.fields.indices.contains(place) else { return [] }
        let field = segment.fields[place]
        return field.elementsEqual("\"\"".utf8) ? [] : field
    }

    /// The repetitions of a field.
    func repetitions(_ field: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        field.isEmpty ? [] : field.split(separator: separators.repetition, omittingEmptySubsequences: false)
    }

    /// Component `number` of a repetition, from 1, as text on one line; nil where there is none.
    func component(_ number: Int, of field: ArraySlice<UInt8>, sub: Int? = nil) -> String? {
        var parts = field.split(separator: separators.component, omittingEmptySubsequences: false)
        guard parts.indices.contains(number - 1) else { return nil }
        if let sub {
            parts = parts[number - 1].split(separator: separators.subcomponent, omittingEmptySubsequences: false)
            guard parts.indices.contains(sub - 1) else { return nil }
        }
        let text = HL7Escapes(self).text(parts[(sub ?? number) - 1]).split(whereSeparator: \.isWhitespace)
            .joined(separator: " ")
        return text.isEmpty || text == "\"\"" ? nil : text
    }

    /// The first component of the first repetition of a field; nil where there is none.
    func first(_ number: Int, of segment: Segment) -> String? {
        repetitions(field(number, of: segment)).first.flatMap { component(1, of: $0) }
    }
}
