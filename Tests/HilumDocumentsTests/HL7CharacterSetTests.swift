import Foundation
import Testing

@testable import HilumDocuments

@Suite("Character sets of messages")
struct HL7CharacterSetTests {
    private func message(_ set: String, _ text: [UInt8], name: [UInt8] = Array("Inventado^Alba".utf8)) -> [UInt8] {
        var bytes = Array("MSH|^~\\&|RIS|H|X|H|20260102||ORU^R01|1|P|2.5||||||\(set)\rPID|1||INV-1||".utf8)
        bytes += name
        bytes += Array("\rOBR|1||ACC-1\rOBX|1|TX|R^Report||".utf8)
        return bytes + text + Array("||||||F\r".utf8)
    }

    @Test("UTF-8 is read with and without its name")
    func utf8() throws {
        for set in ["UNICODE UTF-8", "UNICODE", "", "ASCII"] {
            #expect(
                try report(of: message(set, Array("Épanchement pleural. 胸水".utf8))).text == "Épanchement pleural. 胸水")
        }
    }

    @Test("Bytes of 8859/1 are read where that is declared, and refused where nothing is")
    func latin() throws {
        let bytes: [UInt8] = Array("Erg".utf8) + [0xFC, 0xDF] + Array(".".utf8)
        #expect(try report(of: message("8859/1", bytes)).text == "Ergüß.")
        #expect(reason(of: message("", bytes))?.contains("no character set is declared") == true)
        #expect(reason(of: message("UNICODE UTF-8", bytes))?.contains("UNICODE UTF-8") == true)
        #expect(reason(of: message("KLINGON", bytes))?.contains("KLINGON is not known") == true)
        let escaped = message("8859/1", Array("Erg\\XFC\\.".utf8))
        #expect(try report(of: escaped).text == "Ergü.")
    }

    /// 右上葉に結節を認める。 in JIS X 0208; its bytes hold those of all separators.
    private static let japanese: [UInt8] =
        [0x1B, 0x24, 0x42] + Array("1&>eMU$K7k@a$rG'$a$k!#".utf8) + [0x1B, 0x28, 0x42]

    @Test(
        "Japanese behind escape sequences is text before fields are told apart",
        arguments: ["~ISO IR87", "ISO IR87", "ASCII~ISO IR87", ""])
    func iso2022(set: String) throws {
        let name: [UInt8] =
            Array("KAKU^U=".utf8) + [0x1B, 0x24, 0x42] + Array("2M6u".utf8) + [0x1B, 0x28, 0x4A] + Array("^A".utf8)
        let document = try report(of: message(set, Self.japanese, name: name))
        #expect(document.text == "右上葉に結節を認める。")
        #expect(document.names.first?.contains("架空") == true)
    }

    @Test("Half-width kana are read as bytes and behind escapes")
    func kana() throws {
        let bytes: [UInt8] = [0xB1, 0xB2] + Array(" A ".utf8) + [0x1B, 0x28, 0x49, 0x33, 0x1B, 0x28, 0x42]
        #expect(try report(of: message("~ISO IR13~ISO IR87", bytes)).text == "ｱｲ A ｳ")
    }

    @Test("Shift JIS has bytes that look like separators, and is read where it is declared")
    func shiftJIS() throws {
        // 表 ends with the byte of a backslash, 能 with another sign.
        let bytes: [UInt8] = [0x95, 0x5C, 0x94, 0x5C, 0x83, 0x7C]
        #expect(try report(of: message("SHIFT_JIS", bytes)).text == "表能ポ")
    }

    @Test("A truncated character is an error, not half a report")
    func cutCharacters() {
        #expect(
            reason(of: message("ISO IR87", Array(Self.japanese.dropLast(4)) + [0x1B, 0x24]))?.contains("ISO IR87")
                == true)
    }
}
