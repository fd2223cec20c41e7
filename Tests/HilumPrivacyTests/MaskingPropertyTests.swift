import Foundation
import HilumCore
import Testing

@testable import HilumPrivacy

@Suite("What holds of every text")
struct MaskingPropertyTests {
    /// What this thread took of a processor, so that a busy machine does not count.
    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Pieces of the planted reports and of plain sentences, in any order.
    private static func text(_ random: inout SeededGenerator, count: Int) -> [UInt8] {
        let sources = PlantedReport.all.map(\.text) + PlainSentences.all
        var text: [UInt8] = []
        for _ in 0..<count {
            guard let source = sources.randomElement(using: &random).map({ Array($0.utf8) }) else { continue }
            let start = Int.random(in: 0..<source.count, using: &random)
            let end = min(source.count, start + Int.random(in: 1...30, using: &random))
            text += source[start..<end]
            if Bool.random(using: &random) {
                text += [[32], [10], [44, 32], [46, 32]].randomElement(using: &random) ?? []
            }
        }
        return text
    }

    /// The words of a block of `cues.txt`.
    private static func words(_ block: String) throws -> [String] {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        let bytes = try FileIO.read(root.path + "/Sources/HilumPrivacy/Resources/Privacy/cues.txt")
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "[\(block)]"))
        return lines[(start + 1)...].prefix { !$0.hasPrefix("[") }.flatMap { $0.split(separator: " ").map(String.init) }
    }

    /// The unit behind a date is no reason to take it for a measurement. What must go of each form is beside it.
    @Test("Every form of a date or a telephone number goes before every unit")
    func unitsHideNothing() throws {
        let masking = try ReportMasking.shared()
        // Also before units of a length or a dose: a year of four digits is none.
        let whole = [
            ("3/4/2019", "3/4"), ("03/04/2019", "03/04"), ("2019-03-04", "03-04"), ("2019/03/04", "03/04"),
            ("04.03.2019", "04.03"), ("12-11-2018", "12-11"), ("March 12, 2019", "March"), ("12 March 2019", "March"),
            ("12-Mar-2019", "12-Mar"), ("20190304", "0304"),
        ]
        let others = [
            ("3/4/19", "3/4/19"), ("12-11-18", "12-11"), ("Mar 2019", "Mar"), ("March 2019", "March"),
            ("03/2019", "03/"), ("2019-03", "-03"), ("March 12", "March"), ("617-555-0123", "0123"),
            ("(617) 555-0123", "0123"), ("617 555 0123", "0123"), ("617.555.0123", "0123"),
            ("+1 617 555 0123", "0123"), ("6175550123", "0123"), ("555-0123", "0123"),
        ]
        let units = try Self.words("unit") + Self.words("picture")
        let quantities = Set(try Self.words("quantity") + ["%"])
        #expect(units.count > 80 && quantities.count > 20)
        for unit in units {
            for (form, hidden) in whole + (quantities.contains(unit) ? [] : others) {
                for text in ["Comparison: \(form) \(unit) were seen.", "\(form) \(unit)", "of \(form) - \(unit)"] {
                    let masked = masking.mask(text).text
                    #expect(!masked.contains(hidden), "\(text) became \(masked)")
                }
            }
        }
    }

    @Test("Masking a masked text changes nothing", arguments: [1, 2, 3] as [UInt64])
    func isIdempotent(seed: UInt64) throws {
        let masking = try ReportMasking.shared()
        let known = KnownIdentifiers(names: ["Harrowgate^Belinda", "鶴巻^花子"], ids: ["00482917"])
        var random = SeededGenerator(seed: seed)
        var texts = (0..<400).map { _ in String(decoding: Self.text(&random, count: 12), as: UTF8.self) }
        texts += PlantedReport.all.map(\.text)
        for text in texts {
            let once = masking.mask(text, known: known)
            let twice = masking.mask(once.text, known: known)
            #expect(twice.text == once.text)
            #expect(twice.counts.total == 0)
        }
    }

    @Test("No bytes bring it down, and what is no UTF-8 stays as it is", arguments: [4, 5] as [UInt64])
    func anyBytes(seed: UInt64) throws {
        let masking = try ReportMasking.shared()
        let known = KnownIdentifiers(names: ["\u{0}^", "é^林", ""], ids: ["", "---", "0000"])
        var random = SeededGenerator(seed: seed)
        var counts = MaskCounts()
        for round in 0..<600 {
            var bytes = Self.text(&random, count: round % 20)
            if round % 3 == 0 {
                bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            }
            for _ in 0..<(round % 7) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = masking.mask(bytes, known, &counts)
        }
        #expect(masking.mask([0xFF, 0xC3, 0xE3, 0x81, 0x80], known, &counts) == nil)
    }

    @Test("Text in which nothing is found is returned byte for byte")
    func untouched() throws {
        let text = "Ｃlear ｶﾞ lungs\u{00A0}\r\n\t. 胸部\u{3000}異常なし。"
        #expect(try ReportMasking.shared().mask(text).text == text)
    }

    @Test(
        "The time is linear in the length",
        arguments: [
            "1", "1-", "1 ", "Dr. ", "A. ", "a@", "Smith, ", "佐藤", "様", "R1.", "病院", "a.", "(", "[", "[**", "St. ",
            "of ", "12:", "Patient: ", "1.2.", "住所：あ", "会議の",
            "Dr. Smith and ", "2019-03-12 ", "http://", "Center of ", "-a", "1/2 ", "九", "東京都", "Mr. Mr. ", "MRN: # ",
            "X^", "Smith-", "O'", "_ ", "先生", "大学", "Hospital ", "St. Hospital of ", "0-0-", "+1(", "tel 1 ",
            "佐藤 ", "Mary ", "MD, ", "J. ", "ID:", "の医院", "丁目1", "九時", "住所",
        ])
    func isLinear(piece: String) throws {
        let masking = try ReportMasking.shared()
        func seconds(_ count: Int) -> Double {
            let text = String(repeating: piece, count: count)
            let start = Self.processorSeconds()
            _ = masking.mask(text)
            return Self.processorSeconds() - start
        }
        let byteCount = 20_000
        let count = byteCount / piece.utf8.count
        // A quadratic walk over eight times the text takes 64 times as long, a linear one 8 times.
        let short = (0..<3).map { _ in seconds(count) }.min() ?? 0
        let long = (0..<2).map { _ in seconds(count * 8) }.min() ?? 0
        #expect(long < 30 * short + 0.1, "\(short) s, then \(long) s")
    }
}
