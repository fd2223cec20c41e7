import HilumCore
import Testing

@Suite struct LineScannerTests {
    /// Bytes of all kinds, most of them plain, of lengths around those that are looked at at once.
    private static func draw(_ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = (0..<generator.integer(below: 80)).map { _ in UInt8(32 + generator.integer(below: 95)) }
        for _ in 0..<generator.integer(below: 3) where !bytes.isEmpty {
            let pieces: [[UInt8]] = [
                [0], [31], [127], [128], [0xC2, 0x85], [0xC2, 0xA0], [0xC3, 0xA9], [0xFF], [0xE8, 0x83, 0xB8],
            ]
            bytes.insert(
                contentsOf: pieces[generator.integer(below: pieces.count)], at: generator.integer(below: bytes.count))
        }
        return bytes
    }

    @Test("Words, their bytes and their text are as a byte by byte look finds them")
    func words() {
        var generator = SeededGenerator(seed: 8)
        for _ in 0..<3000 {
            let bytes = Self.draw(&generator)
            let start = generator.integer(below: bytes.count + 1)
            let slice = bytes[start...]
            var isPrintable = true
            for place in slice.indices {
                let isOfC1 = place > start && bytes[place - 1] == 0xC2 && bytes[place] < 0xA0
                if bytes[place] < 32 || bytes[place] == 127 || isOfC1 { isPrintable = false }
            }
            #expect(LineScanner.isPrintable(slice) == isPrintable)
            let text = String(validating: slice, as: UTF8.self)
            #expect(LineScanner.text(slice) == text && LineScanner.isText(slice) == (text != nil))
            var scanner = LineScanner(slice)
            var words: [ArraySlice<UInt8>] = []
            while !scanner.isAtEnd {
                scanner.skipSpaces()
                let word = scanner.takeWord()
                if !word.isEmpty { words.append(word) }
            }
            #expect(words == slice.split(separator: 32))
        }
    }
}
