import HilumCore
import Testing

@testable import HilumServer

/// Lines that mutations start from.
let seedLines: [String] = [
    "PING", "@1 HELLO", "SEARCH text=\"left effusion\" k=3 view=PA date=2019..", "COUNT view!=AP",
    "PUT id=a report=\"x \\u00e9 \\ud83d\\ude00\" bytes=5\nab\ncd", "DELETE id=a",
    "GET id=case1 with=meta,report,vector",
    "SEARCH vec=f32:AACAPwAAAAAAAAAAAAAAAA== w.vec=2", "STATS", "# comment", "", "@z QUIT",
    "SEARCH id=case1 self=0 deadline_ms=5",
]

/// A stream of requests, bent in places: bytes replaced, inserted, removed and repeated.
func mutatedStream(_ generator: inout SeededGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<(1 + generator.integer(below: 6)) { bytes += Array((generator.pick(seedLines) + "\n").utf8) }
    let special: [UInt8] = [0, 10, 13, 32, 34, 35, 61, 33, 64, 92, 0xC2, 0xED, 0xFF, 44, 46]
    for _ in 0..<generator.integer(below: 8) where !bytes.isEmpty {
        let index = generator.integer(below: bytes.count)
        switch generator.integer(below: 5) {
        case 0: bytes[index] = UInt8(generator.integer(below: 256))
        case 1: bytes.insert(generator.pick(special), at: index)
        case 2: bytes.remove(at: index)
        case 3: bytes[index] = generator.pick(special)
        default:
            let end = index + min(bytes.count - index, 1 + generator.integer(below: 20))
            bytes.insert(contentsOf: Array(bytes[index..<end]), at: index)
        }
    }
    return bytes
}

@Suite struct ParserFuzzTests {
    @Test(
        "mutated streams are cut the same however they are chunked, and memory stays bounded",
        arguments: 1...8 as ClosedRange<UInt64>)
    func chunkingDoesNotMatter(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let bytes = mutatedStream(&generator)
            let whole = items(bytes)
            #expect(items(bytes, chunk: 1) == whole)
            #expect(items(bytes, chunk: 1 + generator.integer(below: 40)) == whole)
        }
    }

    @Test func randomBytesNeverHoldMoreThanTheLimits() {
        var generator = SeededGenerator(seed: 99)
        var limits = RequestParser.Limits()
        limits.lineByteCount = 200
        limits.rpcByteCount = 200
        limits.literalByteCount = 300
        for _ in 0..<300 {
            var parser = RequestParser(limits: limits)
            for _ in 0..<60 {
                let chunk = (0..<generator.integer(below: 50)).map { _ in UInt8(generator.integer(below: 256)) }
                parser.append(
                    generator.chance(0.3) ? Array("PUT bytes=\(generator.integer(below: 400)) ".utf8) + chunk : chunk)
                while parser.next() != nil {}
                #expect(parser.bufferedByteCount <= 600)
            }
            _ = parser.finish()
            #expect(parser.bufferedByteCount == 0)
        }
    }
}
