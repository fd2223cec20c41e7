import HilumCore
import HilumIndex

/// The cases by their values of one metadata key, in the bytes of the store, which are searched without decoding.
///
///     count of values (4) · count + 1 × { end of the text before (4), postings before (4) } · texts, ascending by their bytes
///     · postings: numbers of cases (4 each), ascending within a value
///
/// Thread rule: a value.
struct PostingBlob: Sendable, Equatable {
    let bytes: [UInt8]
    /// How many values there are.
    let count: Int
    private let textStart: Int
    private let postingStart: Int

    static let empty = PostingBlob()

    private init() {
        bytes = []
        count = 0
        textStart = 0
        postingStart = 0
    }

    /// - Throws: `ByteReader.Malformed` when the bytes are not such a table.
    init(_ bytes: [UInt8]) throws {
        guard bytes.count >= 12 else { throw ByteReader.Malformed() }
        self.bytes = bytes
        count = Int(Self.word(bytes, 0))
        textStart = 4 + 8 * (count + 1)
        guard textStart <= bytes.count else { throw ByteReader.Malformed() }
        let textByteCount = Int(Self.word(bytes, 4 + 8 * count))
        postingStart = textStart + textByteCount
        let postingCount = Int(Self.word(bytes, 8 + 8 * count))
        guard postingStart <= bytes.count, bytes.count == postingStart + 4 * postingCount else {
            throw ByteReader.Malformed()
        }
        var text = 0
        var posting = 0
        for index in 0...count {
            let nextText = Int(Self.word(bytes, 4 + 8 * index))
            let nextPosting = Int(Self.word(bytes, 8 + 8 * index))
            guard nextText >= text, nextPosting >= posting else { throw ByteReader.Malformed() }
            (text, posting) = (nextText, nextPosting)
        }
    }

    /// - Parameter postings: by value, numbers ascending; values without numbers are left out.
    init(_ postings: [String: [UInt32]]) {
        let values = postings.filter { !$0.value.isEmpty }.map { (Array($0.key.utf8), $0.value) }
            .sorted { $0.0.lexicographicallyPrecedes($1.0) }
        var writer = ByteWriter()
        writer.integer(UInt32(values.count))
        var textEnd = 0
        var postingEnd = 0
        for (text, numbers) in values + [([], [])] {
            writer.integer(UInt32(textEnd))
            writer.integer(UInt32(postingEnd))
            textEnd += text.count
            postingEnd += numbers.count
        }
        for (text, _) in values { writer.raw(text) }
        for (_, numbers) in values { for number in numbers { writer.integer(number) } }
        bytes = writer.bytes
        count = values.count
        textStart = 4 + 8 * (count + 1)
        postingStart = textStart + textEnd
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        // Safety: every caller stays inside of what `init` checked or wrote.
        bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    }

    private func textRange(_ index: Int) -> Range<Int> {
        (textStart + Int(Self.word(bytes, 4 + 8 * index)))..<(textStart + Int(Self.word(bytes, 12 + 8 * index)))
    }

    func value(_ index: Int) -> String { String(decoding: bytes[textRange(index)], as: UTF8.self) }

    func numberCount(_ index: Int) -> Int {
        Int(Self.word(bytes, 16 + 8 * index)) - Int(Self.word(bytes, 8 + 8 * index))
    }

    func numbers(_ index: Int) -> [UInt32] {
        let start = postingStart + 4 * Int(Self.word(bytes, 8 + 8 * index))
        let size = numberCount(index)
        return bytes.withUnsafeBytes { bytes in
            // Safety: `init` checked or wrote this many numbers.
            (0..<size).map {
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start + 4 * $0, as: UInt32.self))
            }
        }
    }

    /// Whether a case is among those of a value. Complexity: O(log n).
    func holds(_ number: UInt32, _ index: Int) -> Bool {
        let start = postingStart + 4 * Int(Self.word(bytes, 8 + 8 * index))
        var low = 0
        var high = numberCount(index)
        let end = high
        while low < high {
            let middle = (low + high) / 2
            if Self.word(bytes, start + 4 * middle) < number { low = middle + 1 } else { high = middle }
        }
        return low < end && Self.word(bytes, start + 4 * low) == number
    }

    /// How many of `cases` have a value.
    func count(_ index: Int, among cases: ItemSet) -> Int {
        let start = postingStart + 4 * Int(Self.word(bytes, 8 + 8 * index))
        let size = numberCount(index)
        return bytes.withUnsafeBytes { bytes in
            var count = 0
            for place in 0..<size {
                // Safety: `init` checked or wrote this many numbers.
                let number = bytes.loadUnaligned(fromByteOffset: start + 4 * place, as: UInt32.self)
                if cases.contains(UInt32(littleEndian: number)) { count += 1 }
            }
            return count
        }
    }

    /// The index of a value; nil when no case has it. Complexity: O(log n).
    func index(of value: String) -> Int? {
        let wanted = Array(value.utf8)
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if bytes[textRange(middle)].lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
        }
        return low < count && bytes[textRange(low)].elementsEqual(wanted) ? low : nil
    }
}
