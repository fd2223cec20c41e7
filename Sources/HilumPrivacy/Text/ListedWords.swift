import Foundation
import HilumCore

/// The words of the lists with their classes: an open hash table over folded characters.
///
/// The files stand in `Resources/Privacy`; `cues.txt` describes their grammar. Thread rule: an immutable value; any number of threads.
struct ListedWords: Sendable {
    /// No word of the lists has more characters.
    static let wordLimit = 24

    /// A power of two; −1 for an empty slot, otherwise the number of a word.
    private var slots = [Int32](repeating: -1, count: 1 << 15)
    private var starts: [Int32] = [0]
    private var characters: [UInt32] = []
    private var hashes: [UInt32] = []
    private var classes: [WordClass] = []
    /// Names of things in reports that hold a number, and what stands before one: `covid19`, `grade`.
    private(set) var codes: Set<[UInt32]> = []
    /// Words of reports that are also names: `Young`.
    private(set) var namesThatAreWords: Set<[UInt32]> = []
    /// Words that carry what a report says, in small letters: `effusion`, `left`, `no`.
    private(set) var said: Set<[UInt32]> = []
    /// Those of them that deny, affirm or say a side, so that nearly any word may follow: `no`, `right`.
    private(set) var turning: Set<[UInt32]> = []
    /// What follows others of them in a report, and is none of them: `size`, `acute`.
    private(set) var describing: Set<[UInt32]> = []
    /// What people do, and what stands behind their names: `presented`, `mrn`.
    private(set) var ofPeople: Set<[UInt32]> = []
    /// Family names that are no words of reports.
    private(set) var families: Set<[UInt32]> = []
    /// Said words of Japanese, in katakana for hiragana.
    private(set) var wideSaid: Set<[UInt32]> = []
    /// By the lower bits of a character, what a word that begins with it may be.
    private var beginnings = [UInt8](repeating: 0, count: 1 << 12)

    /// What the walk over a Japanese run looks for.
    static let cue: UInt8 = 1
    static let honorific: UInt8 = 2
    static let institution: UInt8 = 4

    private static let files = ["cues.txt", "eponyms.txt", "names.txt", "ordinary.txt", "japanese.txt", "said.txt"]

    /// The lists that come with the program.
    ///
    /// - Throws: `.missingWords`, `.badWords`, `.file`.
    static func read() throws(PrivacyError) -> ListedWords {
        let places = ResourceBundle.places(of: "HilumPrivacy").map { $0 + "/Privacy" }
        guard let folder = places.first(where: ResourceBundle.isThere) else {
            throw PrivacyError(.missingWords, path: places.first ?? "Privacy")
        }
        var table = ListedWords()
        for file in files {
            let path = "\(folder)/\(file)"
            let bytes: [UInt8]
            do throws(FileError) { bytes = try FileIO.read(path, limitInBytes: 4 << 20) } catch {
                throw PrivacyError(.file(error.description), path: path)
            }
            try table.add(bytes, path: path)
        }
        return table
    }

    /// Blocks that a rule asks for by itself, of words that may be in another one too.
    private static var extraBlocks: [String: WritableKeyPath<ListedWords, Set<[UInt32]>>] {
        [
            "code": \.codes, "name-word": \.namesThatAreWords, "said": \.said, "ja-said": \.wideSaid,
            "turning": \.turning, "describing": \.describing, "of-people": \.ofPeople, "family": \.families,
        ]
    }

    /// Adds the words of a file.
    mutating func add(_ bytes: [UInt8], path: String) throws(PrivacyError) {
        var block: WordClass?
        var extra: WritableKeyPath<ListedWords, Set<[UInt32]>>?
        for (index, line) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            guard let first = line.first, first != UInt8(ascii: "#") else { continue }
            if first == UInt8(ascii: "[") {
                let name = String(decoding: line.dropFirst().dropLast(), as: UTF8.self)
                extra = Self.extraBlocks[name]
                guard line.last == UInt8(ascii: "]"), let known = extra == nil ? WordClass.blocks[name] : [] else {
                    throw PrivacyError(.badWords(line: index + 1, "no such block"), path: path)
                }
                block = known
                continue
            }
            guard let block else {
                throw PrivacyError(.badWords(line: index + 1, "this line stands before the first block"), path: path)
            }
            for word in line.split(whereSeparator: { $0 == 32 || $0 == 9 }) {
                var page = Page()
                page.decode(Array(word))
                guard page.characters.count <= Self.wordLimit else {
                    throw PrivacyError(.badWords(line: index + 1, "a word is too long"), path: path)
                }
                if let extra {
                    let isKana = extra == \.wideSaid
                    self[keyPath: extra].insert(isKana ? Self.inKatakana(page.characters) : page.characters)
                } else {
                    add(page.characters, block)
                }
            }
        }
    }

    /// Hiragana as katakana, for a name may stand in either.
    static func inKatakana(_ text: some Sequence<UInt32>) -> [UInt32] {
        text.map { 0x3041...0x3096 ~= $0 ? $0 + 0x60 : $0 }
    }

    /// Whether a text of kanji and kana is made of words that carry what a report says: `右肺癌`. O(n²) for the few characters of a name.
    func isSaid(wide text: [UInt32]) -> Bool {
        var reached = [true] + [Bool](repeating: false, count: text.count)
        for start in text.indices where reached[start] {
            for end in (start + 1)...text.count where wideSaid.contains(Array(text[start..<end])) {
                reached[end] = true
            }
        }
        return !text.isEmpty && reached[text.count]
    }

    static let seed: UInt32 = 2_166_136_261
    @inline(__always)
    static func mixed(_ hash: UInt32, _ character: UInt32) -> UInt32 { (hash ^ character) &* 16_777_619 }

    /// The classes of a word; none for an unknown one.
    func classes(of text: [UInt32], _ start: Int, _ end: Int, hash: UInt32) -> WordClass {
        var slot = Int(hash ^ (hash >> 15)) & (slots.count - 1)
        while true {
            let number = Int(slots[slot])
            if number < 0 { return [] }
            if hashes[number] == hash && isEqual(number, text, start, end) { return classes[number] }
            slot = (slot + 1) & (slots.count - 1)
        }
    }

    /// The classes of a word; none for an unknown one.
    func classes(of text: [UInt32], _ start: Int, _ end: Int) -> WordClass {
        guard end - start <= Self.wordLimit, start < end else { return [] }
        var hash = Self.seed
        for index in start..<end { hash = Self.mixed(hash, text[index]) }
        return classes(of: text, start, end, hash: hash)
    }

    /// Whether a word of these kinds may begin with a character; there may be none all the same.
    @inline(__always)
    func mayBegin(_ character: UInt32) -> UInt8 { beginnings[Int(character & 0xFFF)] }

    private func isEqual(_ number: Int, _ text: [UInt32], _ start: Int, _ end: Int) -> Bool {
        let begin = Int(starts[number])
        guard Int(starts[number + 1]) - begin == end - start else { return false }
        for index in 0..<(end - start) where characters[begin + index] != text[start + index] { return false }
        return true
    }

    private mutating func add(_ word: [UInt32], _ block: WordClass) {
        if let first = word.first {
            let cues: WordClass = [.jaField, .jaFieldStrict, .jaID, .jaPhone, .jaAddress, .jaPrefecture, .jaEra]
            if !block.isDisjoint(with: cues) { beginnings[Int(first & 0xFFF)] |= Self.cue }
            if block.contains(.jaHonorific) { beginnings[Int(first & 0xFFF)] |= Self.honorific }
            if block.contains(.jaInstitution) { beginnings[Int(first & 0xFFF)] |= Self.institution }
        }
        let hash = word.reduce(Self.seed, Self.mixed)
        var slot = Int(hash ^ (hash >> 15)) & (slots.count - 1)
        while slots[slot] >= 0 {
            let number = Int(slots[slot])
            if hashes[number] == hash && isEqual(number, word, 0, word.count) {
                classes[number].formUnion(block)
                return
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        precondition(hashes.count * 2 < slots.count, "the table of words is too small")
        slots[slot] = Int32(hashes.count)
        hashes.append(hash)
        classes.append(block)
        characters.append(contentsOf: word)
        starts.append(Int32(characters.count))
    }
}
