/// What is known of a patient and of those who took care of it, from the tags of its images or a table.
///
/// A name may have the form of DICOM (`YAMADA^TARO=山田^太郎=やまだ^たろう`), of a list (`Smith, John A.`) or of a signature. Each of its parts is
/// masked wherever it stands, in any order and case; kana in both scripts. A part that is a word of reports (`Young`, `Long`) is masked where it
/// has a capital, or stands beside another part. One that carries what a report says (`No`, `Right`, `Mass`, `Post`, `ガン`; about 1,100 words in
/// `said.txt`) is masked only where a name stands: beside another part unless the report goes on with it (`Emily Post presented`, but
/// `Emily Post surgical clips`), beside an initial, behind a title or `Patient:`, before an honorific. Alone (`Post was seen`) it stays.
/// A Latin part of one letter, and a part of one kanji, are masked beside another part alone. A patient who is given by words of reports alone
/// (`Chest, Right`, `left lung`, `右肺癌`) is a label, and is masked behind `Patient:` or `Name:`.
///
/// An id is masked where it stands as a whole word; hyphens and leading zeros in it do not count. What may be something else in a report is
/// masked behind a cue alone (`Patient 12`, `MRN: 12`): fewer than three letters or digits, a number of fewer than four, a level of the spine
/// (`T12`), a word of reports, what reports call by a number (`COVID-19`, `HER2`, `Grade 2`, `T1N0M0`). Thread rule: a value.
public struct KnownIdentifiers: Sendable {
    /// An id in small letters and digits, without leading zeros.
    struct ID: Sendable {
        enum Form: Sendable {
            /// Masked wherever it stands, unless the lists know it as a code of reports.
            case sure
            /// Letters alone: masked where they are no word of reports.
            case word
            /// Masked behind a cue.
            case short
        }

        let characters: [UInt32]
        let form: Form
        /// A word that stands beside it: if reports have that word, it says what the number is, and the number is no id by itself.
        var companion: [UInt32]?
    }

    /// Folded parts of names in Latin letters.
    let latin: [[UInt32]]
    /// Those of them that may be a label: masked where they are no word of reports, or beside another part.
    let doubtful: Set<[UInt32]>
    /// Those of these that stand beside a number alone, and may say what it is: masked with a capital.
    let besideNumbers: Set<[UInt32]>
    /// Those of these that have two or three letters, as codes have (`CT 12`): names where they are family names (`Lee 12`).
    let short: Set<[UInt32]>
    /// The parts of each patient, without those of `names`: all of them may be a label.
    let patientParts: [[[UInt32]]]
    /// Parts of names in kanji and kana, katakana for hiragana, the longest first.
    let wide: [[UInt32]]
    let ids: [ID]

    var isEmpty: Bool { latin.isEmpty && wide.isEmpty && ids.isEmpty }

    /// Identifiers of one case.
    ///
    /// - Parameter patients: whose the case is, where that may be a number, a name (`Meier, Hans`) or both.
    public init(names: [String] = [], ids: [String] = [], patients: [String] = []) {
        var parts = NameParts()
        for name in names { parts.add(name) }
        let certain = Set(parts.latin)
        var all: [(text: String, companion: [UInt32]?)] = ids.map { ($0, nil) }
        var doubtful: Set<[UInt32]> = []
        var besideNumbers: Set<[UInt32]> = []
        var short: Set<[UInt32]> = []
        var patientParts: [[[UInt32]]] = []
        for patient in patients {
            let name = PatientName(patient)
            let known = parts.latin.count
            if let name { parts.add(name.text) }
            let own = Array(parts.latin[known...])
            if certain.isDisjoint(with: own) { patientParts.append(own) }
            if name?.isSure != true { doubtful.formUnion(own.filter { !certain.contains($0) }) }
            let numbers = PatientName.words(of: patient).filter { $0.contains(where: PatientName.isDigit) }
            if !numbers.isEmpty { all.append((patient, nil)) }
            // A number that stands beside a name.
            if let name, name.isOneWord {
                if own.count == 1 { besideNumbers.formUnion(own) }
                if name.isShort { short.formUnion(own.filter { $0.count > 1 && !certain.contains($0) }) }
                // `cohort 2019`
                for number in numbers where !Self.isYear(number) {
                    if let companion = own.first(where: { $0.count > 1 }) { all.append((String(number), companion)) }
                }
            } else if name != nil {
                all += numbers.map { (String($0), nil) }
            }
        }
        latin = Array(Set(parts.latin)).sorted { $0.count > $1.count }
        self.doubtful = doubtful
        self.besideNumbers = besideNumbers
        self.short = short
        self.patientParts = patientParts.filter { !$0.isEmpty }
        wide = Array(Set(parts.wide)).filter { $0.count > 1 }.sorted { $0.count > $1.count }
        self.ids = all.compactMap { text, companion in
            var id = Self.id(text)
            id?.companion = companion
            return id
        }
    }

    private static func isYear(_ text: Substring) -> Bool {
        text.count == 4 && Int(text).map { 1900...2099 ~= $0 } ?? false
    }

    private static func id(_ text: String) -> ID? {
        var page = Page()
        page.decode(Array(text.utf8))
        let plain = Array(page.characters.filter(isCode).drop { $0 == 48 })
        guard !plain.isEmpty else { return nil }
        let digits = plain.count { 48...57 ~= $0 }
        let isShort = plain.count < 3 || digits == plain.count && digits < 4 || isLevel(plain) || isStage(plain)
        return ID(characters: plain, form: isShort ? .short : digits == 0 ? .word : .sure)
    }

    /// Whether a code is a level of the spine, or a disc: `T12`, `L5-S1`.
    private static func isLevel(_ plain: [UInt32]) -> Bool {
        // Parts of the spine from above: `S01T02` is no disc.
        let parts: [[[UInt32]]] = [["c"], ["d", "t", "th"], ["l"], ["s"]].map { part in
            part.map { $0.unicodeScalars.map(\.value) }
        }
        let runs = runs(of: plain)
        guard runs.count == 2 || runs.count == 4 else { return false }
        var places: [Int] = []
        for (index, run) in runs.enumerated() {
            if index % 2 == 0 {
                guard let place = parts.firstIndex(where: { $0.contains(run) }) else { return false }
                places.append(place)
            } else {
                guard let number = Int(String(decoding: run.map(UInt8.init(truncatingIfNeeded:)), as: UTF8.self)),
                    isDigit(run[0]), run[0] != 48, number <= 12
                else { return false }
            }
        }
        return places.count == 1 || 0...1 ~= places[1] - places[0]
    }

    /// Whether a code is a stage of a tumour: `T1N0M0`, `pT2N1`.
    private static func isStage(_ plain: [UInt32]) -> Bool {
        let (t, n, m, x) = (116 as UInt32, 110 as UInt32, 109 as UInt32, 120 as UInt32)
        var rest = plain.drop { [99, 112, 114, 121].contains($0) }
        for letter in [t, n, m] {
            guard rest.first == letter else { return letter == m && rest.isEmpty }
            rest = rest.dropFirst()
            guard let value = rest.first, isDigit(value) || value == x else { return false }
            rest = rest.dropFirst()
            // `T1a`
            if let part = rest.first, 97...100 ~= part { rest = rest.dropFirst() }
        }
        return rest.isEmpty
    }

    /// Letters and digits by turns.
    static func runs(of plain: [UInt32]) -> [[UInt32]] {
        var runs: [[UInt32]] = []
        for character in plain {
            if let last = runs.last?.last, isDigit(last) == isDigit(character) {
                runs[runs.count - 1].append(character)
            } else {
                runs.append([character])
            }
        }
        return runs
    }

    static func isDigit(_ character: UInt32) -> Bool { 48...57 ~= character }

    static func isCode(_ character: UInt32) -> Bool {
        48...57 ~= character || 97...122 ~= character || 0xDF...0x24F ~= character && character != 0xF7
    }
}

/// What may be a name in what is given as the patient.
private struct PatientName {
    /// Its words without a digit, with the marks between them.
    var text: String
    /// Whether words have the mark of a name between them.
    var isSure: Bool
    /// Whether one word stands beside initials and numbers, without such a mark: `Smith J`, `patient 12`, where it may say what the number is.
    var isOneWord = false
    /// Whether that word has as few letters as a code: `CT 12`, `Lee 12`.
    var isShort = false

    /// Nil where there is no word.
    init?(_ patient: String) {
        let hasMark = patient.contains(",") || patient.contains("^")
        let words = Self.words(of: patient)
        let plain = words.filter { word in
            word.contains { $0.isLetter } && !word.contains(where: Self.isDigit)
                && (word.count > 1 || Self.isWide(word))
        }
        guard !plain.isEmpty else { return nil }
        let initials = words.filter { $0.count == 1 && $0.allSatisfy(\.isLetter) && !Self.isWide($0) }
        if plain.count == words.count || hasMark && plain.count + initials.count == words.count {
            // `Small, J`
            (text, isSure) = (patient.replacing("_", with: "^"), hasMark)
        } else {
            text = (plain + initials).joined(separator: "^")
            isSure = hasMark && plain.count > 1
            isOneWord = !hasMark && plain.count == 1
            isShort = isOneWord && initials.isEmpty && plain[0].count < 4
            // `症例 3`: no list knows all that is counted.
            if isOneWord, Self.isWide(plain[0]) { return nil }
        }
    }

    static func words(of patient: String) -> [Substring] {
        patient.split { $0 == " " || $0 == "\u{3000}" || $0 == "," || $0 == "^" || $0 == "_" || $0 == "=" }
    }

    /// Whether a character is a digit of ASCII or full width. Kanji that say a number are none: `一郎`, `三浦`.
    static func isDigit(_ character: Character) -> Bool {
        character.unicodeScalars.contains { 0x30...0x39 ~= $0.value || 0xFF10...0xFF19 ~= $0.value }
    }

    private static func isWide(_ word: Substring) -> Bool { word.unicodeScalars.contains { $0.value > 0x2FF } }
}

/// The parts of names.
private struct NameParts {
    var latin: [[UInt32]] = []
    var wide: [[UInt32]] = []

    mutating func add(_ name: String) {
        var page = Page()
        page.decode(Array(name.utf8))
        for group in page.characters.split(separator: 61) {
            var parts: [[UInt32]] = []
            for part in group.split(whereSeparator: { !Self.isLetter($0) && $0 != 39 }) where !part.isEmpty {
                if part.contains(where: { $0 > 0x2FF }) {
                    parts.append(ListedWords.inKatakana(part))
                } else {
                    latin.append(Array(part))
                }
            }
            // The whole name, and each part that is long enough to stand alone.
            if parts.count > 1 { wide.append(parts.flatMap { $0 }) }
            wide += parts.filter { $0.count > 1 }
        }
    }

    private static func isLetter(_ character: UInt32) -> Bool {
        97...122 ~= character || 0xC0...0x24F ~= character || character >= 0x3005 && character != 0x30FB
    }
}
