import Foundation
import Testing

@testable import HilumDocuments

@Suite("Messages of HL7 version 2")
struct HL7Tests {
    @Test("Results of an order are one report, with the names of its parts as headings")
    func partsAreHeadings() throws {
        let message = SyntheticMessage(results: [
            "OBX|1|TX|71020&GDT^XR CHEST 2V^L||The lungs are clear.~No effusion.||||||F",
            "OBX|2|TX|71020&GDT^XR CHEST 2V^L||The heart is normal.||||||F",
            "OBX|3|FT|19005-8^Impression^LN||No acute disease.||||||F",
        ])
        let document = try report(of: message.bytes())
        #expect(
            document.text
                == "FINDINGS:\nThe lungs are clear.\nNo effusion.\nThe heart is normal.\nIMPRESSION:\nNo acute disease."
        )
        #expect(document.accessions == ["ACC-1001"] && document.status == .final)
        #expect(document.patients == [.init(number: "INV-4711", issuer: "HOSP")] && document.sex == "F")
        #expect(document.names == ["Inventado^Alba"])
        #expect(document.writtenAt == "2026-01-02T10:15:00")
    }

    @Test("A result that is named as its order is the report itself, and so is one that is called a report")
    func wholesHaveNoHeading() throws {
        for name in ["71020^XR CHEST 2V^L", "18748-4^Diagnostic imaging study^LN", "&GDT", "REPORT^Radiology Report^L"]
        {
            let message = SyntheticMessage(results: ["OBX|1|TX|\(name)||Clear lungs.||||||F"])
            let text = try report(of: message.bytes()).text
            #expect(text == "Clear lungs." || name == "&GDT" && text == "FINDINGS:\nClear lungs.", "\(name)")
        }
    }

    @Test(
        "Segments end with CR, LF or both, and a line that begins no segment goes on with the text",
        arguments: ["\r", "\n", "\r\n"])
    func lineEnds(end: String) throws {
        let message = SyntheticMessage(results: [
            "OBX|1|TX|R^Radiology Report^L||First line.", "second line, not a segment",
            "OBX|2|TX|R^Radiology Report^L||Third line.",
        ])
        #expect(try report(of: message.bytes(end)).text == "First line.\nsecond line, not a segment\nThird line.")
    }

    @Test("A bar in a line of a cut result is text, and the fields behind the last line are fields")
    func barsInLines() throws {
        let whole = "Findings:\nPE|suspected on the left\nA|B||C, no nodule."
        for (tail, status) in [("||||||F", true), ("|||N|||F|||20260102", true), ("||", false), ("", false)] {
            let message = SyntheticMessage(results: ["OBX|1|TX|R^Radiology Report^L||\(whole)\(tail)"])
            #expect(try report(of: message.bytes("\n")).text == whole, "\(tail) \(status)")
        }
        // Its status counts: this one takes the result back.
        let withdrawn = SyntheticMessage(results: ["OBX|1|TX|R^Radiology Report^L||\(whole)||||||W"])
        #expect(reason(of: withdrawn.bytes("\n"))?.contains("withdraws") == true)
        let comment = SyntheticMessage(results: [
            "OBX|1|TX|R^Radiology Report^L||Clear.||||||F", "NTE|1|L|Compared\nwith|last year|RE",
        ])
        #expect(try report(of: comment.bytes("\n")).text.contains("Compared\nwith|last year"))
        #expect(try !report(of: comment.bytes("\n")).text.contains("|RE"))
    }

    @Test("A segment without fields swallows no line", arguments: ["OBX", "NTE", "ORC"])
    func bareSegments(name: String) throws {
        for tail in ["", "||||||F"] {
            let message = SyntheticMessage(results: [
                "OBX|1|TX|R^Radiology Report^L||One.\(tail)", name, "Two.", name, name, "Three.",
            ])
            #expect(try report(of: message.bytes("\n")).text == "One.\nTwo.\nThree.", "\(tail)")
        }
    }

    @Test("ADD carries on the last field before it")
    func continuedSegments() throws {
        let message = SyntheticMessage(results: ["OBX|1|TX|R^Radiology Report^L||The lungs are", "ADD| clear."])
        #expect(try report(of: message.bytes()).text == "The lungs are clear.")
    }

    @Test(
        "Escapes stand for separators, line ends and bytes",
        arguments: [
            ("3 \\T\\ 4", "3 & 4"), ("a\\F\\b\\S\\c\\R\\d\\E\\e", "a|b^c~d\\e"), ("one.\\.br\\two.", "one.\ntwo."),
            ("\\H\\Bold\\N\\ text", "Bold text"), ("\\X0D0A\\x", "\nx"), ("C:\\temp\\file", "C:\\temp\\file"),
            ("open \\ end", "open \\ end"), ("\\Zabc\\x", "x"), ("a\\.sp2\\b", "a\n\nb"), ("a\\.sk3\\b", "a   b"),
            ("\\.in+4\\indented", "indented"), ("\\XZZ\\x", "\\XZZ\\x"), ("\\.ce\\middle", "\nmiddle"),
            ("\\C2842\\x", "x"),
        ])
    func escapes(given: String, text: String) throws {
        let message = SyntheticMessage(results: ["OBX|1|FT|R^Radiology Report^L||Start \(given)||||||F"])
        #expect(try report(of: message.bytes()).text == "Start \(text)")
    }

    @Test("Separators are those that the message declares")
    func declaredSeparators() throws {
        let lines = [
            "MSH#*;!@#RIS#H#X#H#20260102##ORU*R01#1#P#2.3", "PID#1##INV-1***H*MR", "OBR#1##ACC;ACC2#71020*XR CHEST",
            "OBX#1#TX#R*Radiology Report##Clear ^ lungs.;One ! S !S! T !T!##########F",
        ]
        let document = try report(of: Array(lines.joined(separator: "\r").utf8))
        #expect(document.text == "Clear ^ lungs.\nOne ! S * T @")
        #expect(document.accessions == ["ACC"] && document.patients.first?.number == "INV-1")
    }

    @Test("Numbers and codes are lines of their own, and an impression that is the text of a code is a sentence")
    func valuesOfOtherTypes() throws {
        let message = SyntheticMessage(results: [
            "OBX|1|TX|R^Radiology Report^L||Nodule in the left lower lobe.||||||F",
            "OBX|2|NM|D^Diameter^L||12|mm^millimetre||||F", "OBX|3|CWE|S^Side^L||L^left^L||||||F",
            "OBX|4|SN|G^Growth^L||>^5|%||||F", "OBX|5|CE|71020&IMP^XR CHEST^L||^Nodule, new.||||||F",
        ])
        #expect(
            try report(of: message.bytes()).text
                == "Nodule in the left lower lobe.\nDiameter: 12 millimetre\nSide: left\nGrowth: >5 %\nIMPRESSION:\nNodule, new."
        )
    }

    @Test("A text that is encapsulated is read, and a PDF is passed over by its kind")
    func encapsulatedData() throws {
        let text = Data("The lungs are clear.\r\nNo effusion.".utf8).base64EncodedString()
        let read = SyntheticMessage(results: ["OBX|1|ED|R^Radiology Report^L||RIS^TEXT^PLAIN^Base64^\(text)||||||F"])
        #expect(try report(of: read.bytes()).text == "The lungs are clear.\nNo effusion.")
        let plain = SyntheticMessage(results: ["OBX|1|ED|R^Radiology Report^L||RIS^TEXT^PLAIN^A^Clear ^ lungs.||||||F"])
        #expect(try report(of: plain.bytes()).text == "Clear ^ lungs.")
        let pdf = SyntheticMessage(results: ["OBX|1|ED|R^Radiology Report^L||RIS^AP^PDF^Base64^JVBERi0x||||||F"])
        #expect(reason(of: pdf.bytes()) == "HL7: the report is a document of the kind PDF, which is not read")
        let hidden = SyntheticMessage(results: ["OBX|1|ED|R^Radiology Report^L||RIS^TEXT^PLAIN^Base64^JVBERi0x||||||F"])
        #expect(reason(of: hidden.bytes())?.contains("PDF") == true)
    }

    @Test("Where the accession number and the study's UID stand differs between sites")
    func keysOfSites() throws {
        let results = ["OBX|1|TX|R^Radiology Report^L||Clear lungs.||||||F"]
        var message = SyntheticMessage(
            order: [2: "PL-1", 3: "FI-2^RIS", 4: "71020^XR CHEST", 18: "ACC-3", 19: "RP-4", 25: "F"], results: results)
        #expect(try report(of: message.bytes()).accessions == ["ACC-3", "FI-2", "RP-4"])
        message.segments.append("ZDS|1.2.840.99.7^RIS^Application^DICOM")
        #expect(try report(of: message.bytes()).studies == ["1.2.840.99.7"])
        message = SyntheticMessage(
            results: results + ["OBX|2|ST|113014^DICOM Study^DCM||1.2.840.99.8||||||F"])
        let byResult = try report(of: message.bytes())
        #expect(byResult.studies == ["1.2.840.99.8"] && byResult.text == "Clear lungs.")
        message = SyntheticMessage(results: results)
        message.segments.insert("IPC|ACC-5^RIS|RP-6|1.2.840.99.9^RIS|SPS-1|CR", at: 3)
        let byOrder = try report(of: message.bytes())
        #expect(byOrder.studies == ["1.2.840.99.9"] && byOrder.accessions == ["ACC-5", "ACC-1001"])
        message = SyntheticMessage(results: results + ["ZDS|not a UID"])
        #expect(try report(of: message.bytes()).studies == [])
    }

    @Test("Results of a laboratory, other messages and cancelled orders are passed over, with the reason")
    func whatIsNoReport() throws {
        let numbers = ["OBX|1|NM|NA^Sodium^L||140|mmol/L|||||F", "OBX|2|ST|BC^Culture^L||negative||||||F"]
        #expect(
            reason(of: SyntheticMessage(order: [3: "L1", 4: "LYTES", 24: "CH", 25: "F"], results: numbers).bytes())
                == "HL7: results of another service than radiology (OBR-24 CH)")
        #expect(
            reason(of: SyntheticMessage(order: [3: "L1", 4: "LYTES", 25: "F"], results: numbers).bytes())
                == "HL7: results without a text, as of a laboratory")
        #expect(
            reason(of: SyntheticMessage(order: [3: "A1", 25: "X"], results: []).bytes())
                == "HL7: an order that was cancelled")
        #expect(
            reason(of: Array("MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\rPID|1\r".utf8))
                == "HL7: a message of the kind ADT^A01; results are ORU^R01")
        #expect(
            reason(of: SyntheticMessage(results: ["OBX|1|TX|R||Later.||||||O"]).bytes())
                == "HL7: an order without a text")
    }

    @Test("A report that is withdrawn is refused by name, so that somebody takes out what is stored")
    func withdrawals() throws {
        for status in ["D", "W"] {
            let message = SyntheticMessage(
                order: [3: "A1", 25: "C"], results: ["OBX|1|TX|R^Report^L||Wrong.||||||\(status)"])
            let outcomes = ReportFile.outcomes(message.bytes()[...])
            guard case .refused(let reason)? = outcomes.first else { throw CancellationError() }
            #expect(outcomes.count == 1 && reason.contains("withdraws") && !reason.contains("Wrong"))
        }
        let cancelled = SyntheticMessage(order: [3: "A1", 25: "X"], results: ["OBX|1|TX|R^Report^L||Text.||||||X"])
        #expect(reason(of: cancelled.bytes())?.contains("withdraws") == true)
        // Also beside a dose, which is no report.
        let beside = SyntheticMessage(
            order: [3: "A1", 25: "C"],
            results: ["OBX|1|NM|D^Dose^L||12|mGy|||||F", "OBX|2|TX|R^Report^L||Wrong.||||||W"])
        #expect(reason(of: beside.bytes())?.contains("withdraws") == true)
        // With another text in its place it is a correction.
        let corrected = SyntheticMessage(results: [
            "OBX|1|TX|R^Report^L||Wrong.||||||D", "OBX|2|TX|R^Report^L||Right.||||||C",
        ])
        #expect(try report(of: corrected.bytes()).text == "Right.")
    }

    @Test("Positron emission is no physical therapy where the order names a study or a part of a report")
    func positronEmission() throws {
        func message(_ part: String, _ further: [String] = []) -> [UInt8] {
            SyntheticMessage(
                order: [3: "A1", 24: "PT", 25: "F"], results: ["OBX|1|TX|\(part)||Uptake.||||||F"] + further
            )
            .bytes()
        }
        #expect(reason(of: message("R^Report^L"))?.contains("another service") == true)
        #expect(try report(of: message("R^Report^L", ["ZDS|1.2.3"])).text == "Uptake.")
        #expect(try report(of: message("71020&IMP^XR^L")).text.contains("Uptake."))
    }

    @Test("Each patient of a message has the reports of the own orders, and no text of another's")
    func severalPatients() throws {
        func message(_ first: String, _ second: String, accessions: [String], between: [String] = []) -> [UInt8] {
            var message = SyntheticMessage(
                patient: first, name: "Primo^Una", order: [3: accessions[0], 25: "F"],
                results: ["OBX|1|TX|R^Report^L||Effusion.||||||F"])
            message.segments += between
            message.segments += [
                "PID|1||\(second)||Secundo^Otra", "OBR|1||\(accessions[1])",
                "OBX|1|TX|R^Report^L||Pneumothorax.||||||F",
            ]
            return message.bytes()
        }
        for accessions in [["ACC-1", "ACC-2"], ["", ""], ["ACC-1", "ACC-1"]] {
            let found = try reports(of: message("INV-1", "INV-2", accessions: accessions))
            #expect(found.map(\.text) == ["Effusion.", "Pneumothorax."])
            #expect(found.map { $0.patients.map(\.number) } == [["INV-1"], ["INV-2"]])
            #expect(found.map(\.names) == [["Primo^Una"], ["Secundo^Otra"]])
        }
        // Of one patient they are one report where a key says so.
        let one = try reports(of: message("INV-1", "INV-1", accessions: ["ACC-1", "ACC-1"]))
        #expect(one.map(\.text) == ["Effusion.\n\nPneumothorax."])
        #expect(try reports(of: message("INV-1", "INV-1", accessions: ["", ""])).count == 2)
        // A study and persons behind the first patient are not the second one's.
        let parted = try reports(
            of: message("INV-1", "INV-2", accessions: ["ACC-1", "ACC-2"], between: ["ZDS|1.2.3", "NK1|1|Tercero^Dos"]))
        #expect(parted.map(\.studies) == [["1.2.3"], []] && parted[1].names == ["Secundo^Otra"])
        var unclear = SyntheticMessage(results: ["OBX|1|TX|R^Report^L||Effusion.||||||F"])
        unclear.segments.insert("PID|2||OTHER-1", at: 2)
        #expect(reason(of: unclear.bytes())?.contains("two patients") == true)
    }

    @Test(
        "A line of a report that looks like the name of a segment is a line of the report",
        arguments: ["LLL", "RUL", "CT1", "MRI", "PDA", "ADD", "CT1|a", "PE2|b"], ["\n", "\r\n"])
    func linesLikeSegments(line: String, end: String) throws {
        if !line.contains("|") {
            let lines = ["Nodule in the", line, "and a large pneumothorax."].joined(separator: end)
            let inside = SyntheticMessage(results: ["OBX|1|TX|R^Report^L||\(lines)||||||F", "NTE|1||Seen."])
            #expect(try report(of: inside.bytes()).text == "Nodule in the\n\(line)\nand a large pneumothorax.\nSeen.")
        }
        let behind = SyntheticMessage(results: ["OBX|1|TX|R^Report^L||Nodule.||||||F\(end)\(line)\(end)and more."])
        #expect(try report(of: behind.bytes()).text == "Nodule.\n\(line)\nand more.")
    }

    @Test(
        "How far a report is, is told by its order, or else by its results",
        arguments: [
            ("P", "P", ReportDocument.Status.preliminary), ("F", "F", .final), ("C", "F", .corrected),
            ("F", "C", .corrected),
            ("R", "F", .preliminary), ("", "P", .preliminary), ("", "C", .corrected), ("", "", .final),
        ])
    func statuses(order: String, result: String, status: ReportDocument.Status) throws {
        let message = SyntheticMessage(
            order: [3: "A1", 22: "20260203", 25: order], results: ["OBX|1|TX|R^Report||Clear lungs.||||||\(result)"])
        let document = try report(of: message.bytes())
        #expect(document.status == status && document.writtenAt == "2026-02-03")
    }

    @Test("Orders of one study are one report, and those of two are two")
    func severalOrders() throws {
        var message = SyntheticMessage(results: ["OBX|1|TX|R^Report||Chest: clear.||||||F", "ZDS|1.2.9.1"])
        message.segments += [
            "OBR|2||ACC-1002|71030^XR RIBS", "OBX|1|TX|R^Report||Ribs: no fracture.||||||F", "ZDS|1.2.9.1",
        ]
        #expect(try report(of: message.bytes()).text == "Chest: clear.\n\nRibs: no fracture.")
        message.segments[message.segments.count - 1] = "ZDS|1.2.9.2"
        let outcomes = ReportFile.outcomes(message.bytes()[...])
        let keys = outcomes.map { outcome -> [String] in
            if case .report(let document) = outcome { document.studies } else { [] }
        }
        #expect(keys == [["1.2.9.1"], ["1.2.9.2"]])
    }

    @Test("An addendum is told from a report by the suffix of its results, and by their name")
    func addenda() throws {
        for name in ["71020&ADT^XR CHEST^L", "A^Addendum^L", "55107-7^Addendum^LN"] {
            let message = SyntheticMessage(results: ["OBX|1|TX|\(name)||The nodule is old.||||||F"])
            let document = try report(of: message.bytes())
            #expect(document.isAddendum && document.text.hasSuffix("The nodule is old."), "\(name)")
        }
    }

    @Test("A file may hold many messages, in frames of a line or in a batch")
    func manyMessages() throws {
        let scratch = try Scratch()
        func message(_ number: Int) -> [UInt8] {
            SyntheticMessage(
                order: [3: "ACC-\(number)", 25: "F"], results: ["OBX|1|TX|R^Report||Report \(number).||||||F"]
            ).bytes()
        }
        let framed = (1...3).flatMap { number -> [UInt8] in [0x0B] + message(number) + [0x1C, 0x0D] }
        let all = (1...3).flatMap { number -> [UInt8] in message(number) }
        let batch = Array("FHS|^~\\&|A\rBHS|^~\\&|A\r".utf8) + all + Array("BTS|3\rFTS|1\r".utf8)
        let marked: [UInt8] = [0xEF, 0xBB, 0xBF] + (1...3).flatMap { number -> [UInt8] in message(number) + [10] }
        for (name, bytes) in [("framed", framed), ("batch", batch), ("marked", marked)] {
            let path = try scratch.write("\(name).dat", bytes)
            #expect(try ReportFile.kind(at: path) == .hl7, "\(name)")
            let found = try ReportFile.outcomes(at: path, .hl7)
            let texts = found.compactMap { item -> String? in
                if case .report(let document) = item.outcome { document.text } else { nil }
            }
            #expect(texts == ["Report 1.", "Report 2.", "Report 3."], "\(name)")
            for (number, item) in found.enumerated() {
                let again = try ReportFile.document(at: path, .hl7, item.place)
                #expect(again.accessions == ["ACC-\(number + 1)"])
            }
        }
    }

    @Test("Names of the patient, of relatives and of physicians are known, so that they can be masked")
    func personsAreKnown() throws {
        var message = SyntheticMessage(
            patient: "INV-1^^^HOSP^MR~9999^^^STATE^SS", name: "Inventado^Alba^R~Fabulosa^Alba",
            order: [3: "A1", 16: "77^Quimera^Otto", 25: "F", 32: "88&Fabelhaft&Uwe"],
            results: ["OBX|1|TX|R^Report||Clear.||||||F"])
        message.segments.insert("PV1|1|O|||||12^Trugbild^Ida", at: 2)
        message.segments.insert("NK1|1|Inventado^Bruno|SPO", at: 2)
        let document = try report(of: message.bytes())
        let names = document.names.joined(separator: " ")
        for name in ["Inventado", "Alba", "Fabulosa", "Quimera", "Otto", "Trugbild", "Bruno", "Fabelhaft", "Uwe"] {
            #expect(names.contains(name), "\(name)")
        }
        #expect(document.patients.map(\.number) == ["INV-1"] && document.numbers.contains("9999"))
    }
}
