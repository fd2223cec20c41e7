import Foundation
import Testing

@testable import HilumArchive

/// Tiny trees in the layouts of public data sets.
@Suite struct LayoutTests {
    private func found(_ scratch: Scratch, preset: KnownLayout? = nil) throws -> [String: SourceCase] {
        var cases: [String: SourceCase] = [:]
        for item in try SourceScanner.scan(scratch.path + "/in", preset: preset).items {
            if case .found(let found) = item { cases[found.id] = found }
        }
        return cases
    }

    private func images(_ scratch: Scratch, _ names: String...) throws {
        for (seed, name) in names.enumerated() { try scratch.write("in/" + name, makePNG(seed)) }
    }

    private func names(_ found: SourceCase?) -> [String] {
        found?.imagePaths.map { ($0 as NSString).lastPathComponent } ?? []
    }

    @Test("MIMIC-CXR: a study's folder, its text or its sections, and the patient")
    func mimic() throws {
        let scratch = try Scratch()
        try images(scratch, "files/p10/p10001/s50/0a.jpg", "files/p10/p10001/s50/0b.jpg", "files/p10/p10001/s51/0c.jpg")
        try scratch.write("in/files/p10/p10001/s50.txt", "FINAL REPORT clear")
        try scratch.write(
            "in/mimic_cxr_sectioned.csv",
            "study,impression,findings,last_paragraph,comparison\ns50,,other text,,\ns51,No change.,\"Small, left effusion.\",,\n"
                + "s99,none,,,\n")
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["files/p10/p10001/s50", "files/p10/p10001/s51"])
        let first = cases["files/p10/p10001/s50"]
        #expect(names(first) == ["0a.jpg", "0b.jpg"] && first?.reportPath?.hasSuffix("s50.txt") == true)
        #expect(first?.report == nil && first?.fields.patient == "p10001")
        let second = cases["files/p10/p10001/s51"]
        #expect(second?.report == "FINDINGS: Small, left effusion.\nIMPRESSION: No change.")
        let scan = try SourceScanner.scan(scratch.path + "/in")
        #expect(scan.passedOver.counts == ["row whose image is not there": 1])
    }

    /// The table `chexpert.csv` of the test below, packed.
    private static let packedLabels = """
        H4sIAAAAAAAC/ysuTcpKTS6Jz0zRKS4pTakEMRxLUnOAYonFmcU6zolFKZn5uanpiTmVOn75Cm6ZeSmZeek6ATmppUWJOQquaWmlxZn5eVyGBgYGhjqmBjqGegY6BkCsowtkwYQNdXTAElC+pSWYp6PDBQAKwb3wgAAAAA==
        """

    @Test("MIMIC-CXR: the tables of metadata and labels, packed or not, say view, date and findings")
    func mimicTables() throws {
        let scratch = try Scratch()
        try images(
            scratch, "files/p10/p10001/s50/0a.jpg", "files/p10/p10001/s50/0b.jpg", "files/p10/p10001/s51/0c.jpg")
        try scratch.write("in/files/p10/p10001/s50.txt", "FINAL REPORT clear")
        try scratch.write(
            "in/mimic-cxr-2.0.0-metadata.csv",
            "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime\n"
                + "0b,10001,50,CHEST (PA AND LAT),PA,3056,2544,21800506,213014\n"
                + "0a,10001,50,CHEST (PA AND LAT),LATERAL,3056,2544,21800506,213014\n"
                + "0c,10001,51,CHEST (PORTABLE AP),AP,3056,2544,21800626,165500\n"
                + "0z,10001,51,CHEST (PORTABLE AP),AP,3056,2544,21800626,165500\n")
        let packed = try #require(Data(base64Encoded: Self.packedLabels))
        try scratch.write("in/mimic-cxr-2.0.0-chexpert.csv.gz", [UInt8](packed))
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["files/p10/p10001/s50", "files/p10/p10001/s51"])
        let first = cases["files/p10/p10001/s50"]
        #expect(names(first) == ["0b.jpg", "0a.jpg"] && first?.imageViews == ["PA", "LATERAL"])
        #expect(first?.fields.view == "PA" && first?.fields.date == "2180-05-06" && first?.fields.patient == "p10001")
        #expect(first?.fields.findings == ["atelectasis"] && first?.reportPath?.hasSuffix("s50.txt") == true)
        let second = cases["files/p10/p10001/s51"]
        #expect(second?.fields.view == "AP" && second?.fields.findings == [])
        let scan = try SourceScanner.scan(scratch.path + "/in")
        #expect(scan.passedOver.counts == ["row whose image is not there": 2])
    }

    @Test("MIMIC-CXR: of two tables of labels the second says what the first does not, and each site has its own")
    func twoTablesOfLabels() throws {
        let scratch = try Scratch()
        for site in ["A", "B"] {
            try images(scratch, "\(site)/p10/p10001/s50/0a.jpg", "\(site)/p10/p10001/s51/0c.jpg")
            try scratch.write("in/\(site)/p10/p10001/s50.txt", "report of \(site)")
        }
        let head = "subject_id,study_id,Atelectasis,No Finding,Pleural Effusion\n"
        try scratch.write("in/A/mimic-cxr-2.0.0-chexpert.csv", head + "10001,50,1.0,,-1.0\n")
        try scratch.write("in/A/mimic-cxr-2.0.0-negbio.csv", head + "10001,50,,,1.0\n10001,51,,,1.0\n")
        try scratch.write("in/B/mimic-cxr-2.0.0-negbio.csv", head + "10001,50,,,1.0\n10001,51,,1.0,0.0\n")
        let cases = try found(scratch)
        #expect(cases["A/p10/p10001/s50"]?.fields.findings == ["atelectasis"])
        #expect(cases["A/p10/p10001/s51"]?.fields.findings == ["pleural effusion"])
        #expect(cases["B/p10/p10001/s50"]?.fields.findings == ["pleural effusion"])
        #expect(cases["B/p10/p10001/s51"]?.fields.findings == [])
        let scan = try SourceScanner.scan(scratch.path + "/in")
        #expect(scan.notes.count == 1 && scan.notes.first?.contains("A/mimic-cxr-2.0.0-negbio.csv") == true)
    }

    @Test("A packed table that is cut or is none is passed over and ends no run")
    func damagedPack() throws {
        let scratch = try Scratch()
        try images(scratch, "files/p10/p10001/s50/0a.jpg")
        let packed = [UInt8](try #require(Data(base64Encoded: Self.packedLabels)))
        try scratch.write("in/cut.csv.gz", Array(packed.dropLast(12)))
        try scratch.write("in/none.csv.gz", "no gzip")
        #expect(Set(try found(scratch).keys) == ["files/p10/p10001/s50"])
    }

    @Test("Open-i as XML: the images that a report names")
    func openIAsXML() throws {
        let scratch = try Scratch()
        try images(scratch, "png/CXR1_1_IM-0001-3001.png", "png/CXR1_1_IM-0001-4001.png", "png/CXR9.png")
        try scratch.write(
            "in/ecgen-radiology/1.xml",
            """
            <?xml version="1.0"?><eCitation><AbstractText Label="FINDINGS">Heart &lt; normal &amp; clear.</AbstractText>
            <AbstractText Label="IMPRESSION">Normal.</AbstractText><MeSH><major>Opacity/lung/base</major><major>normal</major>
            </MeSH><parentImage id="CXR1_1_IM-0001-3001"><url/></parentImage><parentImage id="CXR1_1_IM-0001-4001"/>
            </eCitation>
            """)
        try scratch.write("in/other.xml", "<note>no report</note>")
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["ecgen-radiology/1", "png/CXR9"])
        let first = cases["ecgen-radiology/1"]
        #expect(names(first) == ["CXR1_1_IM-0001-3001.png", "CXR1_1_IM-0001-4001.png"])
        #expect(first?.report == "FINDINGS: Heart < normal & clear.\nIMPRESSION: Normal.")
        #expect(first?.fields.findings == ["opacity"])
    }

    @Test("Open-i as the two tables of Kaggle: a case a uid, frontal image first")
    func openIAsTables() throws {
        let scratch = try Scratch()
        try images(scratch, "images/1_IM-0001-3001.dcm.png", "images/1_IM-0001-4001.dcm.png")
        try scratch.write(
            "in/indiana_reports.csv",
            "uid,MeSH,Problems,image,indication,comparison,findings,impression\n1,normal,normal;Cardiomegaly,Xray,pain,,Clear.,\n"
                + "2,x,,,,,Only text.,\n")
        try scratch.write(
            "in/indiana_projections.csv",
            "uid,filename,projection\n1,1_IM-0001-3001.dcm.png,Lateral\n1,1_IM-0001-4001.dcm.png,Frontal\n")
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["1", "2"])
        #expect(names(cases["1"]) == ["1_IM-0001-4001.dcm.png", "1_IM-0001-3001.dcm.png"])
        #expect(cases["1"]?.imageViews == ["FRONTAL", "LATERAL"] && cases["1"]?.fields.findings == ["cardiomegaly"])
        #expect(
            cases["1"]?.report == "INDICATION: pain\nFINDINGS: Clear." && cases["2"]?.report == "FINDINGS: Only text.")
    }

    @Test("CheXpert: a case a study, findings from the columns")
    func cheXpert() throws {
        let scratch = try Scratch()
        try images(
            scratch, "train/patient00001/study1/view1_frontal.jpg", "train/patient00001/study1/view2_lateral.jpg",
            "train/patient00002/study1/view1_frontal.jpg")
        try scratch.write(
            "in/train.csv",
            "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Pleural Effusion\n"
                + "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,,1.0,-1.0\n"
                + "CheXpert-v1.0-small/train/patient00001/study1/view2_lateral.jpg,Female,68,Lateral,,,1.0,-1.0\n"
                + "CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Male,50,Frontal,PA,1.0,,0.0\n")
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["train/patient00001/study1", "train/patient00002/study1"])
        let first = cases["train/patient00001/study1"]
        #expect(names(first).count == 2 && first?.imageViews == ["AP", "LATERAL"] && first?.fields.view == "AP")
        #expect(first?.fields.findings == ["edema"] && first?.fields.patient == "patient00001")
        #expect(cases["train/patient00002/study1"]?.fields.metadata == ["age": "50", "sex": "Male"])
    }

    @Test("A flat folder with a table like CheXpert's has a case an image, not one of all patients")
    func flatCheXpert() throws {
        let scratch = try Scratch()
        try images(scratch, "images/a.jpg", "images/b.jpg", "c_frontal.jpg")
        try scratch.write(
            "in/train.csv",
            "Path,Frontal/Lateral,AP/PA,Edema\nimages/a.jpg,Frontal,AP,1.0\nimages/b.jpg,Frontal,PA,\nc_frontal.jpg,Frontal,PA,1\n"
        )
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["images/a", "images/b", "c"])
        #expect(cases["images/a"]?.fields.findings == ["edema"] && cases["images/b"]?.fields.findings == [])
    }

    @Test("The numbers of two sites are two patients, and one that stands twice is refused by name")
    func twoSites() throws {
        let scratch = try Scratch()
        for (site, text) in [("east", "Clear."), ("west", "A mass.")] {
            try images(scratch, "\(site)/p10/s50/0a.jpg", "\(site)/p10/s51/0b.jpg", "\(site)/open/images/1.png")
            try scratch.write(
                "in/\(site)/sections.csv",
                "study,impression,findings\ns50,\(text),\ns51,One.,\ns51,Another.,\ns51,A third.,\n")
            try scratch.write(
                "in/\(site)/open/reports.csv", "uid,findings\n1,\(text)\n2,Twice\n2,Twice\n3,One\n3,Two\n")
            try scratch.write("in/\(site)/open/views.csv", "uid,filename,projection\n1,1.png,Frontal\n")
        }
        let cases = try found(scratch)
        #expect(cases["east/p10/s50"]?.report == "IMPRESSION: Clear.")
        #expect(cases["west/p10/s50"]?.report == "IMPRESSION: A mass.")
        #expect(cases["east/p10/s51"]?.hasReport == false && names(cases["east/p10/s51"]) == ["0b.jpg"])
        #expect(
            cases["east/open/1"]?.report == "FINDINGS: Clear." && cases["west/open/1"]?.report == "FINDINGS: A mass.")
        #expect(cases["west/open/1"]?.imagePaths == [scratch.path + "/in/west/open/images/1.png"])
        #expect(cases["west/open/2"]?.report == "FINDINGS: Twice" && cases["west/open/3"] == nil)
        let refused = try SourceScanner.scan(scratch.path + "/in").items.compactMap { item in
            if case .refused(let place, let reason) = item { "\(place): \(reason.prefix(3))" } else { nil }
        }
        let folders = ["east", "west"].map { "\(scratch.path)/in/\($0)/" }
        #expect(Set(refused) == Set(folders.flatMap { ["\($0)sections.csv: s51", "\($0)open/reports.csv: 3 s"] }))
    }

    @Test("NIH ChestX-ray14: a case an image, findings between bars")
    func nih() throws {
        let scratch = try Scratch()
        try images(scratch, "images_001/images/00000001_000.png", "images_002/images/00000002_000.png")
        try scratch.write(
            "in/Data_Entry_2017.csv",
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\n"
                + "00000001_000.png,Cardiomegaly|Pleural_Thickening,0,1,58,M,PA,\n"
                + "00000002_000.png,No Finding,0,2,81,M,AP,\n00000003_000.png,Hernia,0,3,81,M,AP,\n")
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["images_001/images/00000001_000", "images_002/images/00000002_000"])
        let first = cases["images_001/images/00000001_000"]
        #expect(first?.fields.findings == ["cardiomegaly", "pleural thickening"] && first?.fields.patient == "1")
        #expect(cases["images_002/images/00000002_000"]?.fields.findings == [])
    }

    @Test("A cases.jsonl below the folder is read where it lies, and answers for its own folder")
    func nestedManifests() throws {
        let scratch = try Scratch()
        try images(scratch, "site/images/1.png", "site/stray.png", "plain.png")
        try scratch.write("in/site/cases.jsonl", #"{"id":"c1","image":"images/1.png","report":"clear"}"#)
        try scratch.write("in/broken/cases.csv", "one,two\n1,2\n")
        let scan = try SourceScanner.scan(scratch.path + "/in")
        let cases = try found(scratch)
        #expect(Set(cases.keys) == ["c1", "plain"])
        #expect(cases["c1"]?.imagePaths == [scratch.path + "/in/site/images/1.png"])
        #expect(cases["c1"]?.name == scratch.path + "/in/site/cases.jsonl#c1")
        #expect(scan.passedOver.counts == ["not named by cases.jsonl": 1])
        let refused = scan.items.compactMap { if case .refused(let place, _) = $0 { place } else { nil } }
        #expect(refused == [scratch.path + "/in/broken/cases.csv"])
        #expect(Set(try found(scratch, preset: .folder).keys) == ["plain", "site/images/1", "site/stray"])
        #expect(Set(try found(scratch, preset: .manifest).keys) == ["c1"])
    }
}
