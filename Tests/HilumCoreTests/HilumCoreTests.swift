import Foundation
import Testing

@testable import HilumCore

@Test func sha256MatchesThePublishedVectors() {
    // FIPS 180-4 examples.
    #expect(SHA256.hex(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(SHA256.hex([UInt8]()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
}

@Test func crc32cMatchesThePublishedVector() {
    // RFC 3720, B.4: 32 bytes of zeros, and the check value of "123456789".
    #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { CRC32C.checksum($0) } == 0x8A91_36AA)
    #expect(Array("123456789".utf8).withUnsafeBytes { CRC32C.checksum($0) } == 0xE306_9283)
}

@Test func bothWaysToTheChecksumAgree() {
    var generator = SeededGenerator(seed: 3)
    for count in Array(0...40) + [255, 1_000, 4_097, 12_287, 12_288, 12_300, 24_576, 40_001] {
        let bytes = (0..<count + 3).map { _ in UInt8(generator.integer(below: 256)) }
        for start in 0..<3 {
            bytes.withUnsafeBytes { raw in
                let part = UnsafeRawBufferPointer(rebasing: raw[start..<(start + count)])
                let half = UnsafeRawBufferPointer(rebasing: part[..<(count / 2)])
                let rest = UnsafeRawBufferPointer(rebasing: part[(count / 2)...])
                let whole = CRC32C.portableChecksum(part)
                #expect(CRC32C.checksum(part) == whole)
                #expect(CRC32C.checksum(rest, continuing: CRC32C.checksum(half)) == whole)
            }
        }
    }
}

@Test func aGeneratorIsAFunctionOfItsSeedAndKeys() {
    var first = SeededGenerator(seed: 7, keys: 1, 2)
    var second = SeededGenerator(seed: 7, keys: 1, 2)
    var other = SeededGenerator(seed: 7, keys: 2, 1)
    let draws = (0..<8).map { _ in first.next() }
    #expect(draws == (0..<8).map { _ in second.next() })
    #expect(draws != (0..<8).map { _ in other.next() })
}

@Test func normalNumbersHaveMeanZeroAndVarianceOne() {
    var generator = SeededGenerator(seed: 3)
    let draws = (0..<100_000).map { _ in generator.normal() }
    let mean = draws.reduce(0, +) / Double(draws.count)
    let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws.count)
    #expect(abs(mean) < 0.02)
    #expect(abs(variance - 1) < 0.03)
}

@Test(arguments: [1, 2, 3, 7]) func parallelRangesCoverEachIndexOnce(threads: Int) {
    let sum = AtomicCounter()
    parallelRanges(1000, threads: threads) { range, _ in sum.increment(by: range.reduce(0, +)) }
    #expect(sum.current == 499_500)
    let second = AtomicCounter()
    parallelFor(1000, threads: threads) { second.increment(by: $0) }
    #expect(second.current == 499_500)
}

@Test func atomicWriteReplacesTheFileAndReadsBack() throws {
    let folder = NSTemporaryDirectory() + "hilum-core-\(getpid())"
    try FileIO.makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileIO.writeAtomically(folder + "/a", Array("one".utf8))
    try FileIO.writeAtomically(folder + "/a", Array("two".utf8))
    #expect(try FileIO.read(folder + "/a") == Array("two".utf8))
    #expect(throws: FileError.self) { try FileIO.read(folder + "/missing") }
    #expect(throws: FileError.self) { try FileIO.read(folder + "/a", limitInBytes: 2) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a"])
}
