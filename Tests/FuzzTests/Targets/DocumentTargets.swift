import Foundation
import HilumCore

@testable import HilumArchive
@testable import HilumDocuments

extension FuzzTarget {
    /// Messages of HL7 version 2, many to a file.
    static let hl7 = FuzzTarget(
        "hl7", longestInput: 2048,
        words: [
            "MSH|", "\rPID|", "\rOBR|", "\rOBX|", "\rNTE|", "\rZDS|", "\rADD|", "\rORC|", "\u{0B}", "\u{1C}\r",
            "^~\\&", "ORU^R01",
            "|FT|", "|TX|", "|ED|", "\\.br\\", "\\X41\\", "\\H\\", "\\T\\", "8859/1", "ISO IR87", "UNICODE UTF-8",
            "\u{1B}$B",
            "~", "|F|", "|C|", "1.2.840.1",
        ],
        seeds: { bytes(messages) },
        finding: { bytes in
            var end = 0
            var documents: [ReportDocument] = []
            for message in HL7Splitter.messages(bytes) {
                guard message.range.lowerBound >= end, message.range.upperBound <= bytes.count else {
                    return "a message lies outside of the file or within another"
                }
                end = message.range.upperBound
                for outcome in ReportFile.outcomes(bytes[message.range], isCut: message.isCut) {
                    if let finding = finding(outcome) { return finding }
                    if case .report(let document) = outcome { documents.append(document) }
                }
            }
            if let merged = ReportDocument.merged(documents), merged.text.isEmpty { return "versions become nothing" }
            return nil
        })

    private static let messages = [
        "MSH|^~\\&|RIS|HOSP|HILUM|HOSP|20260102101500||ORU^R01^ORU_R01|M1|P|2.5\r"
            + "PID|1||INV-1^^^HOSP^MR||Inventado^Alba||19600504|F\r"
            + "OBR|1||ACC-1|71020^XR CHEST^L|||||||||||||||||||||F\r"
            + "OBX|1|TX|R^Report^L||No nodule.\\.br\\Heart \\T\\ lungs||||||F\rZDS|1.2.3^RIS^Application^DICOM\r",
        "\u{0B}MSH|^~\\&|A|B|C|D|20260102||ORU^R01|M2|P|2.3||||||UNICODE UTF-8\rPID|||INV-2\rOBR|||A-2\r"
            + "OBX|1|FT|71020&IMP^XR^L||One \\X41\\ ~two \u{00E4}||||||C\rNTE|1||note\r\u{1C}\r",
        "FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|A|B|C|D|20260102||ORU^R01|M3|P|2.5\nPID|1|9\nOBX|1|NM|D^D^L||3|mm\n"
            + "MSH|^~\\&|A|B|C|D|20260102||ADT^A08|M4|P|2.5\nPV1|1\nBTS|2\nFTS|1\n",
        "MSH|^~\\&|A|B|C|D|20260102||ORU^R01|M5|P|2.5||||||ISO IR6~ISO IR87\rPID|||5\rOBR|1\rOBX|1|TX|R||\u{1B}$B9;\u{1B}(B\r",
    ]

    /// A structured report of DICOM.
    static let structuredReport = FuzzTarget(
        "sr", longestInput: 4096,
        words: [
            "DICM", "SQ\0\0", "UT\0\0", "CONTAINER", "TEXT", "NUM", "CODE", "PNAME", "CONTAINS", "HAS OBS CONTEXT",
            "CONTINUOUS", "ISO_IR 192", "ISO 2022 IR 87", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2",
            "1.2.840.10008.1.2.1.99",
        ],
        seeds: { ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"].map(structuredReport) },
        finding: { bytes in finding(ReportFile.structuredReport(bytes)) })

    private static func structuredReport(_ syntax: String) -> [UInt8] {
        func write(_ elements: inout DICOMElements) {
            elements.text(8, 5, "CS", "ISO_IR 192")
            elements.text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.88.11")
            elements.text(8, 0x18, "UI", "1.2.3.4")
            elements.text(0x10, 0x20, "LO", "P1")
            elements.text(0x20, 0x0D, "UI", "1.2.3")
            elements.text(0x40, 0xA040, "CS", "CONTAINER")
            elements.items(0x40, 0xA043, 1) {
                $0.text(8, 0x100, "SH", "18748-4")
                $0.text(8, 0x104, "LO", "Report")
            }
            elements.items(0x40, 0xA730, 2) {
                $0.text(0x40, 0xA010, "CS", "CONTAINS")
                $0.text(0x40, 0xA040, "CS", "TEXT")
                $0.items(0x40, 0xA043, 1) { $0.text(8, 0x104, "LO", "Finding") }
                $0.text(0x40, 0xA160, "UT", "No nodule.")
            }
        }
        var elements = DICOMElements(isExplicit: syntax != "1.2.840.10008.1.2")
        write(&elements)
        let body = elements.bytes
        // Deflated in a block that is not compressed.
        let (low, high) = (UInt8(body.count & 255), UInt8(body.count >> 8))
        return DICOMElements.head(syntax) + (syntax.hasSuffix(".99") ? [1, low, high, ~low, ~high] : []) + body
    }

    private static func finding(_ outcome: ReportFile.Outcome) -> String? {
        switch outcome {
        case .report(let document):
            if document.text.allSatisfy(\.isWhitespace) { return "a report without a word" }
            if document.text.utf8.contains(0) { return "a report with a NUL" }
            if document.studies.contains(where: { !ReportFile.isUID($0) }) { return "a study whose UID is none" }
            return nil
        case .passedOver(let reason), .refused(let reason):
            return reason.isEmpty ? "something is refused without a reason" : nil
        }
    }

    /// The XML of a report of Open-i.
    static let markup = FuzzTarget(
        "xml", longestInput: 2048,
        words: [
            "<AbstractText", "</AbstractText>", " Label=\"", "<parentImage", " id=\"", "<major>", "</major>", "/>",
            "&amp;", "&lt;", "<![CDATA[", "<!--", "'", ">",
        ],
        seeds: {
            bytes([
                "<?xml version=\"1.0\"?><eCitation><AbstractText Label=\"FINDINGS\">Clear &amp; well.</AbstractText>"
                    + "<AbstractText Label=\"IMPRESSION\">No mass.</AbstractText><MeSH><major>Opacity/lung</major></MeSH>"
                    + "<parentImage id=\"I1\"><url>/a.jpg</url></parentImage></eCitation>",
                "<AbstractText Label='X'/><AbstractText>&lt;&gt;</AbstractText><AbstractTexts></AbstractTexts>",
            ])
        },
        finding: { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            let report = OpenIReport(text)
            let parts = report.sections.flatMap { [$0.name, $0.text ?? ""] } + report.images + report.findings
            // `uppercased` may make a letter three times as long.
            guard parts.reduce(0, { $0 + $1.utf8.count }) <= 3 * text.utf8.count + 6 * report.sections.count else {
                return "more is read than is there"
            }
            _ = LayoutReading.report(report.sections)
            return nil
        })

    private static let vectorFolder = Result { try scratch("vectors") }

    /// A file of vectors: NumPy's, or fvecs where the first byte says so.
    static let vectors = FuzzTarget(
        "vectors", longestInput: 1024,
        words: [
            "'descr': '<f4'", "'<f2'", "'>f8'", "'fortran_order': False", "'shape': (2, 3)", "(", ")", ",", "True",
        ],
        seeds: {
            let heads = [
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                "{'descr':'>f2','fortran_order':False,'shape':(3,1)}",
            ]
            let arrays = zip(heads, [24, 6]).map { head, count in
                [0] + NumpyHeader.magic + [1, 0, UInt8(head.utf8.count), 0] + Array(head.utf8)
                    + [UInt8](repeating: 60, count: count)
            }
            return arrays + [[1] + [2, 0, 0, 0] + [UInt8](repeating: 60, count: 8)]
        },
        finding: { bytes in
            guard let folder = try? vectorFolder.get(), let kind = bytes.first else { return nil }
            let path = "\(folder)/v.\(kind % 2 == 0 ? "npy" : "fvecs")"
            guard write(Array(bytes.dropFirst()), to: path), let file = try? VectorFile(path: path) else { return nil }
            for index in 0..<min(file.rowCount, 8) {
                guard let row = try? file.row(index) else { continue }
                if row.count != file.dimension { return "a vector of another length" }
            }
            return nil
        })
}
