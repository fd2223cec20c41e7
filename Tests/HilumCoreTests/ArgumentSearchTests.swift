import Testing

@testable import HilumCore

@Suite("What a value holds that was meant as a condition")
struct ArgumentSearchTests {
    /// The simple version: for each separator, the text up to the next sign.
    private func oracle(_ value: String) -> String? {
        let bytes = Array(value.utf8)
        for (place, byte) in bytes.enumerated() where Array(",;&".utf8).contains(byte) {
            let rest = bytes[(place + 1)...].drop { $0 == LineScanner.space }
            guard let sign = rest.firstIndex(where: { $0 == LineScanner.equals || $0 == LineScanner.bang }),
                bytes[sign] == LineScanner.equals || bytes[(sign + 1)...].first == LineScanner.equals,
                LineScanner.isKey(rest[..<sign])
            else { continue }
            return String(decoding: rest[..<sign], as: UTF8.self)
        }
        return nil
    }

    @Test("the key behind a separator is found as the simple version finds it", arguments: [1, 2, 3] as [UInt64])
    func keyWithinValue(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let letters = Array(",,;& =!a_0.Zé".unicodeScalars)
        var foundCount = 0
        for _ in 0..<20_000 {
            var value = ""
            for _ in 0..<generator.integer(below: 14) { value.unicodeScalars.append(generator.pick(letters)) }
            let key = Argument(key: "view", value: value).keyWithinValue
            #expect(key == oracle(value), "\(value)")
            if key != nil { foundCount += 1 }
        }
        #expect(foundCount > 300)
    }

    @Test("a word is near to the same candidates as by its distance alone")
    func nearest() {
        let names = ["text", "view", "min_score", "finding", "k"]
        for word in ["texts", "txet", "viewed", "VIEW", "minscore", "findigns", "kk", "", "abcdefghijklmnop", "kxyz"] {
            let distances = names.map { editDistance(Array(word.lowercased().utf8), Array($0.utf8)) }
            let best = zip(names, distances).min { $0.1 < $1.1 }
            let expected = best.flatMap { $0.1 <= max(1, min(3, $0.0.utf8.count / 2)) ? $0.0 : nil }
            #expect(HilumCore.nearest(to: word, among: names) == expected, "\(word)")
        }
    }
}
