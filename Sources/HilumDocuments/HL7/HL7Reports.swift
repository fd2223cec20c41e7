/// The reports of one message ORU^R01: its results (OBX) by order (OBR).
///
///     MSH ─ character set, separators         of all reports of the message
///     PID ─ numbers, names, sex              ┐
///     PV1, NK1 … ─ names, to be masked       ┴─ of all reports up to the next PID behind an order
///     ORC, OBR ─ accession, status, service  ┐
///     OBX … ─ text, or the study's UID       ├─ of one report
///     ZDS, IPC ─ the study's UID             ┘
///
/// Orders of one patient and one study, or one accession number, are one report. Thread rule: a value.
struct HL7Reports {
    private let message: HL7Message
    private var groups = [Group()]
    /// Whether a PID follows another one that names somebody else, without an order between them.
    private var isContradictory = false

    /// What the message says of one patient, and the orders that stand behind that.
    private struct Group {
        var patient = ReportDocument(text: "")
        var orders: [Order] = []
    }

    /// Of the last group. In place, as a report may have a hundred thousand results.
    private var patient: ReportDocument {
        _read { yield groups[groups.count - 1].patient }
        _modify { yield &groups[groups.count - 1].patient }
    }

    private var orders: [Order] {
        _read { yield groups[groups.count - 1].orders }
        _modify { yield &groups[groups.count - 1].orders }
    }

    /// Results of one order.
    private struct Order {
        var document: ReportDocument
        var title: Set<String> = []
        var service: String?
        var status: String?
        /// Whether it was said what the order is: results may come without.
        var isNamed = false
        var results: [(result: HL7Result, status: String?)] = []
        var lines: [String] = []
    }

    /// Services whose results are no reports of images (table 0074).
    private static let otherServices: Set<String> = [
        "AU", "BG", "BLB", "CG", "CH", "CP", "CTH", "EC", "EN", "GE", "HM", "ICU", "IMM", "LAB", "MB", "MCB", "MYC",
        "NRS", "OSL", "PAR", "PAT", "PF", "PHR", "PT", "RC", "SP", "SR", "TX", "VR",
    ]
    /// Results that are not there, or not to be believed (table 0085).
    private static let emptyResults: Set<String> = ["D", "W", "X", "I", "N", "O"]
    /// Those that take back what was sent before.
    private static let withdrawnResults: Set<String> = ["D", "W"]
    private static let early: Set<String> = ["P", "R", "S", "A", "I", "O"]

    /// Reads a message.
    ///
    /// - Returns: its reports, and what is none.
    /// - Throws: `.malformed`, `.badText`, `.tooLarge`.
    static func read(_ bytes: ArraySlice<UInt8>) throws(DocumentError) -> [ReportFile.Outcome] {
        let message = try HL7Message(bytes)
        guard let head = message.segments.first, message.segments.count > 1 else {
            throw DocumentError(.malformed, "the message ends in its first segment (MSH); it may be cut off")
        }
        let kind = message.repetitions(message.field(9, of: head)).first ?? []
        let names = [message.component(1, of: kind), message.component(2, of: kind)].compactMap { $0?.uppercased() }
        guard !names.isEmpty else {
            throw DocumentError(.malformed, "the message does not say of what kind it is (MSH-9)")
        }
        guard names.first == "ORU", names.count < 2 || names[1] == "R01" else {
            let shown = names.joined(separator: "^").filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "^") }
            return [.passedOver("HL7: a message of the kind \(shown.prefix(12)); results are ORU^R01")]
        }
        let reports = HL7Reports(message)
        return reports.outcomes(sentAt: message.first(7, of: head).flatMap(HL7Time.iso))
    }

    private init(_ message: HL7Message) {
        self.message = message
        for segment in message.segments.dropFirst() {
            switch segment.name {
            case "PID":
                if !orders.isEmpty { groups.append(Group()) }
                readPatient(segment)
            case "OBR": readOrder(segment)
            case "OBX": readResult(segment)
            case "NTE":
                // A comment on a result belongs to it.
                if orders.last?.results.isEmpty == false { readComment(segment) }
            case "ZDS": noteStudy(message.first(1, of: segment))
            case "IPC":
                note(accession: message.first(1, of: segment))
                noteStudy(message.first(3, of: segment))
            case "PV1": for number in [7, 8, 9, 17, 52] { notePersons(segment, number) }
            case "PD1": for number in [4] { notePersons(segment, number) }
            case "NK1": notePersons(segment, 2, isPlain: true)
            case "GT1":
                notePersons(segment, 3, isPlain: true)
                noteAddresses(segment, [5])
            case "IN1":
                notePersons(segment, 16, isPlain: true)
                noteAddresses(segment, [19])
            case "ORC": for number in [10, 11, 12, 19] { notePersons(segment, number) }
            default: break
            }
        }
    }

    // MARK: Segments

    private mutating func readPatient(_ segment: HL7Message.Segment) {
        var own: [ReportDocument.PatientNumber] = []
        var others: [ReportDocument.PatientNumber] = []
        // 3: the patient's numbers; 2 and 4: where older messages have them.
        for number in [3, 2, 4] {
            for value in message.repetitions(message.field(number, of: segment)) {
                guard let id = message.component(1, of: value) else { continue }
                let issuer = message.component(4, of: value, sub: 1)
                let patient = ReportDocument.PatientNumber(number: id, issuer: issuer)
                let type = message.component(5, of: value)?.uppercased()
                let isOwn = number == 3 && [nil, "MR", "PI", "PT", "PK"].contains(type)
                if isOwn { own.append(patient) } else { others.append(patient) }
            }
        }
        let former = patient.patients
        patient.patients = own.isEmpty ? others : own
        if !former.isEmpty, Set(former).isDisjoint(with: patient.patients) { isContradictory = true }
        patient.numbers += others.map(\.number) + [18, 19, 20].compactMap { message.first($0, of: segment) }
        for number in [5, 6, 9] { notePersons(segment, number, isPlain: true) }
        // Addresses and telephone numbers, as far as they may stand in a text as they stand here.
        for number in [13, 14] { patient.numbers += message.first(number, of: segment).map { [$0] } ?? [] }
        noteAddresses(segment, [11])
        let sex = message.first(8, of: segment)?.uppercased()
        patient.sex = sex.flatMap { ["M", "F", "O"].contains($0) ? $0 : nil }
    }

    private mutating func readOrder(_ segment: HL7Message.Segment) {
        var order = Order(document: ReportDocument(text: ""))
        order.isNamed = true
        let service = message.repetitions(message.field(4, of: segment)).first ?? []
        for part in [1, 2, 4, 5] {
            if let name = message.component(part, of: service) { order.title.insert(name.uppercased()) }
        }
        // 18: the accession number by IHE; 3: that of the filler, which most systems use; 19: the requested procedure.
        for number in [18, 3, 19] {
            guard let value = message.first(number, of: segment) else { continue }
            if !order.document.accessions.contains(value) { order.document.accessions.append(value) }
        }
        order.document.numbers = message.first(2, of: segment).map { [$0] } ?? []
        order.document.date = message.first(7, of: segment).flatMap(HL7Time.iso).map { String($0.prefix(10)) }
        order.document.writtenAt = message.first(22, of: segment).flatMap(HL7Time.iso)
        order.service = message.first(24, of: segment)?.uppercased()
        order.status = message.first(25, of: segment)?.uppercased()
        orders.append(order)
        for number in [10, 16, 28, 32, 33, 34, 35] { notePersons(segment, number) }
    }

    private mutating func readResult(_ segment: HL7Message.Segment) {
        if orders.isEmpty { orders.append(Order(document: ReportDocument(text: ""))) }
        let result = HL7Result(message, segment, title: orders[orders.count - 1].title)
        if let study = result.study { return noteStudy(study) }
        orders[orders.count - 1].results.append((result, message.first(11, of: segment)?.uppercased()))
        notePersons(segment, 16)
    }

    private mutating func readComment(_ segment: HL7Message.Segment) {
        var result = HL7Result(comment: message, message.field(3, of: segment))
        guard let last = orders[orders.count - 1].results.last else { return }
        result.heading = last.result.heading
        result.isAddendum = last.result.isAddendum
        orders[orders.count - 1].results.append((result, last.status))
    }

    private mutating func noteStudy(_ uid: String?) {
        guard let uid, ReportFile.isUID(uid) else { return }
        update { if !$0.studies.contains(uid) { $0.studies.append(uid) } }
    }

    private mutating func note(accession: String?) {
        guard let accession else { return }
        update { if !$0.accessions.contains(accession) { $0.accessions.insert(accession, at: 0) } }
    }

    /// Changes what is said of the order that was named last, or of all.
    private mutating func update(_ body: (inout ReportDocument) -> Void) {
        if orders.isEmpty { body(&patient) } else { body(&orders[orders.count - 1].document) }
    }

    /// Notes names in a field: `number^family^given^…`, or, plain, `family^given^…`.
    private mutating func notePersons(_ segment: HL7Message.Segment, _ number: Int, isPlain: Bool = false) {
        for value in message.repetitions(message.field(number, of: segment)) {
            var parts = (isPlain ? 1...3 : 2...4).compactMap { message.component($0, of: value, sub: 1) }
            // Names of readers stand one level deeper: `number&family&given`.
            if !isPlain && number >= 32 { parts += (2...4).compactMap { message.component(1, of: value, sub: $0) } }
            if !parts.isEmpty { patient.names.append(parts.joined(separator: "^")) }
        }
    }

    /// Notes the streets of addresses, which are a person's wherever they stand.
    private mutating func noteAddresses(_ segment: HL7Message.Segment, _ numbers: [Int]) {
        for value in numbers.flatMap({ message.repetitions(message.field($0, of: segment)) }) {
            guard let street = message.component(1, of: value, sub: 1), street.contains(where: \.isNumber),
                street.contains(where: \.isLetter)
            else { continue }
            patient.numbers.append(street)
        }
    }

    // MARK: Reports

    private func outcomes(sentAt: String?) -> [ReportFile.Outcome] {
        guard !isContradictory else {
            return [.refused("the message names two patients (PID) without an order between them; whose is it?")]
        }
        guard groups.contains(where: { !$0.orders.isEmpty }) else {
            return [.refused("the message holds no order (OBR) and no result (OBX); it may be cut off")]
        }
        var outcomes: [ReportFile.Outcome] = []
        var documents: [(group: Int, document: ReportDocument)] = []
        for (number, group) in groups.enumerated() {
            for order in group.orders {
                switch finish(order, of: group.patient, sentAt: sentAt) {
                case .report(let document):
                    let place = documents.firstIndex { other in
                        other.group == number
                            ? other.document.isOfSameStudy(as: document)
                            : other.document.isOfSamePatientAndStudy(as: document)
                    }
                    if let place {
                        documents[place].document.append(document)
                    } else {
                        documents.append((number, document))
                    }
                case let other: outcomes.append(other)
                }
            }
        }
        // An order without a result is none of its own beside one that has it.
        if !documents.isEmpty { outcomes.removeAll { $0 == .passedOver(Self.isEmpty) } }
        return documents.map { .report($0.document) } + outcomes
    }

    private static let isEmpty = "HL7: an order without a text"
    private static let withdrawal =
        "the message withdraws a report (OBX-11 D or W, OBR-25 X) and brings none in its place; if the report is "
        + "stored, take its case out with `hilum delete` or DELETE, or send a corrected report"

    private func finish(_ order: Order, of patient: ReportDocument, sentAt: String?) -> ReportFile.Outcome {
        let results = order.results.filter { !Self.emptyResults.contains($0.status ?? "") }
        // PT is physical therapy, and with some departments positron emission.
        let isOfRadiology =
            !(patient.studies + order.document.studies).isEmpty
            || order.service == "PT" && results.contains { $0.result.isKnownPart }
        if let service = order.service, Self.otherServices.contains(service), !isOfRadiology {
            return .passedOver("HL7: results of another service than radiology (OBR-24 \(service))")
        }
        if order.status == "X" {
            return order.results.isEmpty ? .passedOver("HL7: an order that was cancelled") : .refused(Self.withdrawal)
        }
        let isOfImages =
            !order.document.studies.isEmpty || order.service != nil || results.contains { $0.result.isKnownPart }
        let texts = results.filter { item in
            guard case .narrative = item.result.kind else { return false }
            return item.result.text.contains { !$0.isWhitespace }
        }
        guard !texts.isEmpty else {
            let unread = results.lazy.compactMap { item -> String? in
                if case .unread(let kind) = item.result.kind { kind } else { nil }
            }.first
            let isWithdrawn = order.results.contains { item in
                guard case .narrative = item.result.kind else { return false }
                return Self.withdrawnResults.contains(item.status ?? "")
            }
            if isWithdrawn { return .refused(Self.withdrawal) }
            if let unread { return .passedOver("HL7: the report is \(unread), which is not read") }
            return .passedOver(results.isEmpty ? Self.isEmpty : "HL7: results without a text, as of a laboratory")
        }
        // A word or two beside numbers is a result of a laboratory, unless something says that it is of images.
        let hasValues = results.contains { if case .value = $0.result.kind { true } else { false } }
        let isShort = texts.allSatisfy { $0.result.text.utf8.count < Self.shortByteCount }
        if hasValues && isShort && !isOfImages { return .passedOver("HL7: results without a text, as of a laboratory") }
        var document = order.document
        document.text = Self.text(of: results.map(\.result))
        document.isAddendum = texts.allSatisfy(\.result.isAddendum)
        document.status = Self.status(order.status, texts.compactMap(\.status))
        document.writtenAt = document.writtenAt ?? sentAt
        document.patients = patient.patients
        document.names = patient.names
        document.numbers += patient.numbers
        document.sex = patient.sex
        document.studies = patient.studies + document.studies.filter { !patient.studies.contains($0) }
        document.accessions = patient.accessions + document.accessions.filter { !patient.accessions.contains($0) }
        return .report(document)
    }

    private static let shortByteCount = 40

    private static func status(_ order: String?, _ results: [String]) -> ReportDocument.Status {
        switch order {
        case "C": return .corrected
        case "F": return results.contains("C") ? .corrected : .final
        case .some(let code) where early.contains(code): return .preliminary
        default:
            if results.contains("C") { return .corrected }
            return results.contains(where: early.contains) ? .preliminary : .final
        }
    }

    /// The results in their order, each part under its heading.
    private static func text(of results: [HL7Result]) -> String {
        var lines: [String] = []
        var heading: String?
        for result in results where result.text.contains(where: { !$0.isWhitespace }) {
            switch result.kind {
            case .unread: continue
            case .value: lines.append(result.heading.map { "\($0): \(result.text)" } ?? result.text)
            case .narrative:
                if let own = result.heading, own != heading, !begins(result.text, with: own) { lines.append("\(own):") }
                heading = result.heading
                lines.append(result.text)
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func begins(_ text: String, with heading: String) -> Bool {
        text.drop { $0.isWhitespace }.uppercased().hasPrefix(heading.uppercased())
    }
}

extension HL7Result {
    /// A comment beside results.
    init(comment message: HL7Message, _ field: ArraySlice<UInt8>) {
        text = message.repetitions(field).map { HL7Escapes(message).text($0) }.joined(separator: "\n")
    }
}

extension ReportDocument {
    /// Whether both are of one study, by its UID or an accession number.
    func isOfSameStudy(as other: ReportDocument) -> Bool {
        if !studies.isEmpty && !other.studies.isEmpty { return !Set(studies).isDisjoint(with: other.studies) }
        return accessions.first != nil && accessions.first == other.accessions.first
            || accessions.isEmpty && other.accessions.isEmpty && studies == other.studies
    }

    /// Whether both name one patient, and one study or one accession number.
    func isOfSamePatientAndStudy(as other: ReportDocument) -> Bool {
        guard !patients.isEmpty, !other.patients.isEmpty, mayBeOfSamePatient(as: other) else { return false }
        let hasKey = !studies.isEmpty && !other.studies.isEmpty || !accessions.isEmpty && !other.accessions.isEmpty
        return hasKey && isOfSameStudy(as: other)
    }

    /// Takes the text of another order of the same study, and what it says beyond.
    mutating func append(_ other: ReportDocument) {
        text += "\n\n" + other.text
        studies += other.studies.filter { !studies.contains($0) }
        accessions += other.accessions.filter { !accessions.contains($0) }
        numbers += other.numbers
        isAddendum = isAddendum && other.isAddendum
        if other.status == .preliminary || status == .final { status = other.status }
        if let time = other.writtenAt, time > writtenAt ?? "" { writtenAt = time }
        date = date ?? other.date
    }
}
