import HilumCore

/// Cases with identifiers that nobody has: in reports, tags of DICOM files, fields, ids and names of files.
enum PlantedCases {
    /// In reports and in free metadata, which every archive that masks keeps out.
    static let inTexts = [
        "Harrowgate", "Belinda", "00482917", "04/17/1951", "CR-2019-004512", "Vandermolen", "Okonkwo", "March 9",
        "11/2/2018", "Lakeview", "Sorrell", "Ingrid", "Pellwood", "Quillfeather", "Rosamund", "42 Maple Hollow",
        "62704", "555-0123", "40917", "quillfeather@example.org", "123-45-6789", "portal.example.org", "BX-3391-22",
        "12 March 2019", "2018-11-30", "Tanguay", "Estevez", "7741209", "1/5/21", "鶴巻", "花子", "ツルマキ", "0012345678",
        "昭和26年", "千代田", "03-1234-5678", "佐藤", "14時32分", "聖路加", "山本", "渡辺", "tanaka@example.jp", "MRN5550017",
        "Zimbrick", "617-555-0188", "88 Dunmore Court",
    ]

    /// In tags of DICOM files.
    static let inTags = ["Thornbury", "Anneliese", "PID-66120934", "ACC-7719-32", "Castellane", "Oyelaran"]

    /// In ids, names of files, patients, sites and UIDs, which an archive hides that requires it.
    static let inNames = [
        "Abernathy", "Faulkenberry", "study-5520031", "patient-99120", "Riverbend Clinic", "1.2.840.113619.2.55.3",
        "1.2.840.113619.2.77.1", "Mossgrove", "case-of-Trelawney", "Pemberton-scan",
    ]

    static let reports = [
        """
        LAKEVIEW GENERAL HOSPITAL
        Patient Name: Harrowgate, Belinda Q.
        MRN: 00482917    DOB: 04/17/1951
        Accession Number: CR-2019-004512
        HISTORY: 67-year-old woman with cough. Seen by Dr. Okonkwo on March 9.
        COMPARISON: Radiograph dated 11/2/2018 from Lakeview General Hospital.
        FINDINGS: Heart size is normal. A 3.2 x 4.1 cm mass in the right upper lobe. Left pleural effusion.
        IMPRESSION: Discussed with Dr. Vandermolen.
        Dictated by: Ingrid Sorrell, MD
        Electronically signed by: Marcus T. Pellwood M.D.
        """,
        """
        Mr. Quillfeather lives at 42 Maple Hollow Road, Springfield, IL 62704. Call (617) 555-0123 or pager 40917, or write to
        quillfeather@example.org. SSN 123-45-6789. His daughter, Rosamund, was informed. See https://portal.example.org/study.
        Insurance policy no. BX-3391-22. Portable chest radiograph of 12 March 2019: no pneumothorax. No change from 2018-11-30.
        CRITICAL RESULTS CALLED TO MS. TANGUAY, RN, ON 1/5/21. READ BY: JORGE L. ESTEVEZ, MD. PT ID 7741209.
        """,
        """
        患者名：鶴巻　花子　様
        フリガナ：ツルマキ　ハナコ
        患者ID：0012345678　生年月日：昭和26年4月17日
        住所：〒100-0001 東京都千代田区千代田1-1-1
        電話：03-1234-5678
        依頼医：呼吸器内科　佐藤
        検査時刻 14時32分。胸水を認める。前回（聖路加国際病院）と著変なし。主治医の渡辺先生へ報告。連絡は tanaka@example.jp まで。
        読影医：山本 健一
        """,
    ]

    /// Fields beside a case, with keys that name somebody.
    static let metadata = [
        "mrn": "MRN5550017", "patient_name": "Zimbrick, Olivette", "phone": "617-555-0188",
        "address": "88 Dunmore Court",
        "ward": "3B",
    ]

    /// A DICOM file whose tags name a patient and physicians.
    static func dicom(study: String, object: String) -> SyntheticDICOM {
        var generator = SeededGenerator(seed: 5, keys: UInt64(object.utf8.count))
        var file = SyntheticDICOM(
            width: 24, height: 24, samples: (0..<(24 * 24)).map { _ in UInt16(generator.integer(below: 65536)) })
        file.text(0x0020_000D, "UI", study)
        file.text(0x0008_0018, "UI", object)
        file.text(0x0010_0010, "PN", "Thornbury^Anneliese")
        file.text(0x0010_0020, "LO", "PID-66120934")
        file.text(0x0008_0050, "SH", "ACC-7719-32")
        file.text(0x0008_0090, "PN", "Castellane^Ada")
        file.text(0x0008_1070, "PN", "Oyelaran^K")
        file.text(0x0008_0080, "LO", "Riverbend Clinic")
        file.text(0x0008_0020, "DA", "20190312")
        return file
    }

    /// What the tags name, in a text that no rule would see through.
    static let reportOfTags =
        "Effusion on the right. anneliese thornbury was seen by castellane and oyelaran, pid66120934 and pid-66120934."
}
