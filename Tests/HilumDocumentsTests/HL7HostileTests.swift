import Foundation
import Testing

@testable import HilumDocuments

@Suite("Hostile messages")
struct HL7HostileTests {
    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        let time = try clock.measure(body)
        return Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
    }

    @Test("What is cut off or out of form is refused in words")
    func brokenMessages() {
        let cases: [(String, String)] = [
            ("MSH|", "ends in its first segment"), ("MSH|^", "ends in its first segment"), ("MSH|||||||", "MSH-2"),
            ("MSH|^~\\&|A|B|C", "may be cut off"), ("MSH|^~\\&|A|B|C|D|2026||OR", "may be cut off"),
            ("MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5", "may be cut off"),
            ("MSH|^~\\&|A|B|C|D|2026\rPID|1||INV-1\r", "does not say of what kind"),
            ("MSH|^^^^|A", "MSH-2"), ("MSH|ABCD|A|B", "MSH-2"),
            ("MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5\r", "may be cut off"),
            ("MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5\rPID|1||INV-1\r", "may be cut off"),
            ("MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5\rOBR|1||A\rOBX|1|TX|R||\0\r", "NUL"),
        ]
        for (text, words) in cases { #expect(reason(of: Array(text.utf8))?.contains(words) == true, "\(text)") }
    }

    @Test("Every beginning of a message is read or refused, and no byte changed in it brings a reader down")
    func everyPrefixAndEveryByte() {
        let whole = SyntheticMessage(
            set: "UNICODE UTF-8",
            results: [
                "OBX|1|FT|71020&IMP^XR^L||One \\.br\\ \\X41\\ ~two||||||F", "NTE|1||note", "OBX|2|NM|D^D^L||3|mm",
                "ZDS|1.2.3",
            ]
        ).bytes()
        for count in 0...whole.count { _ = ReportFile.outcomes(whole[..<count]) }
        for place in whole.indices {
            for byte in [0, 13, 10, 0x0B, 0x1C, 0x1B, 0x5C, 0x7C, 0x5E, 0xFF] as [UInt8] {
                var changed = whole
                changed[place] = byte
                _ = ReportFile.outcomes(changed[...])
            }
        }
    }

    @Test("A message without the end of its frame is refused: half a report must not be stored")
    func cutFrames() throws {
        let scratch = try Scratch()
        let whole = SyntheticMessage(results: ["OBX|1|TX|R^Report||No nodule, and more.||||||F"]).bytes()
        let path = try scratch.write("a.hl7", [0x0B] + whole.dropLast(20))
        let found = try ReportFile.outcomes(at: path, .hl7).map(\.outcome)
        #expect(found == [.refused("the message is cut off: the end of its frame is missing")])
    }

    @Test("A segment of 100 MB is refused, and so are a million segments, in seconds")
    func hugeMessages() throws {
        let head = SyntheticMessage(results: ["OBX|1|TX|R^Report||"]).bytes("\r").dropLast()
        let long = Array(head) + [UInt8](repeating: 65, count: 100 << 20)
        var took = seconds { #expect(reason(of: long)?.contains("longer than") == true) }
        let many = Array(head) + (0..<1_000_000).flatMap { _ in Array("\rOBX|1".utf8) }
        took += seconds { #expect(reason(of: many)?.contains("more than 200000 segments") == true) }
        // A report that goes on over many lines is put together in place.
        let lines = Array(head) + (0..<190_000).flatMap { _ in Array("\nmore words of it".utf8) }
        var textLength = 0
        took += seconds { textLength = (try? report(of: lines).text.utf8.count) ?? 0 }
        #expect(textLength > 3_000_000)
        let escapes = Array(head) + (0..<2_000_000).flatMap { _ in Array("\\x".utf8) }
        took += seconds { _ = ReportFile.outcomes(escapes[...]) }
        // Minutes if any of it took the square of the length.
        #expect(took < 60)
    }

    @Test("A file of a million frames without a message is read in seconds")
    func emptyFrames() throws {
        let scratch = try Scratch()
        let path = try scratch.write("a.hl7", (0..<1_000_000).flatMap { _ in [0x0B, 0x1C, 0x0D] as [UInt8] })
        #expect(try ReportFile.outcomes(at: path, .hl7).isEmpty)
    }
}
