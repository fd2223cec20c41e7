import Foundation
import HilumCore
import Testing

/// `hilum-bench inputs`, whose files `tools/solve-ways` reads.
@Suite struct WayInputsCallTests {
    private static let bench = URL(fileURLWithPath: Program.path).deletingLastPathComponent()
        .appendingPathComponent("hilum-bench").path

    @Test func `It writes a row of floats for each picture and a line for each case`() throws {
        let scratch = try Scratch()
        let phantoms = scratch.path("phantoms")
        let drawn = try Program.run(["phantom", phantoms, "--count", "4", "--side", "96", "--seed", "3", "--quiet"])
        try #require(drawn.status == 0, "\(drawn.errors)")
        func made(_ name: String, _ words: [String] = []) throws -> (rows: [Float], lines: [[String: Any]]) {
            let out = scratch.path(name)
            let result = try Program.run(
                ["inputs", "--model", "builtin", "--data", phantoms, "--out", out] + words, program: Self.bench)
            try #require(result.status == 0, "\(result.errors)")
            let bytes = try FileIO.read(out + ".f32")
            let rows = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            let lines = try String(decoding: FileIO.read(out + ".jsonl"), as: UTF8.self).split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            return (rows, lines)
        }
        let all = try made("all")
        #expect(all.rows.count == 4 * 16 * 112 && all.rows.allSatisfy(\.isFinite))
        #expect(all.lines.compactMap { $0["row"] as? Int } == [0, 1, 2, 3])
        #expect(all.lines.allSatisfy { ($0["pieces"] as? [Int])?.isEmpty == false && $0["id"] is String })
        // Two of four, evenly spread: the first and the third.
        let some = try made("some", ["--most", "2"])
        #expect(some.lines.compactMap { $0["id"] as? String } == [0, 2].compactMap { all.lines[$0]["id"] as? String })
        let width = 16 * 112
        #expect(some.rows == Array(all.rows[..<width] + all.rows[(2 * width)..<(3 * width)]))
        let varied = try made("varied", ["--augment", "0.7", "--hidden", "40", "--seed", "2"])
        #expect(varied.rows.count == all.rows.count && varied.rows != all.rows)
        let refused = try Program.run(["inputs", "--model", "builtin", "--data", phantoms], program: Self.bench)
        #expect(refused.status != 0 && refused.errors.contains("--out"))
    }
}
