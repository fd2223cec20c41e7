import HilumPrivacy

/// Reports written for these tests, with identifiers that nobody has. Each line of `hidden` must not survive.
struct PlantedReport: Sendable {
    let text: String
    let hidden: [String]
    /// What must still be there.
    let kept: [String]
    var known = KnownIdentifiers()

    static let english: [PlantedReport] = [
        PlantedReport(
            text: """
                LAKEVIEW GENERAL HOSPITAL
                Department of Radiology
                Patient Name: Harrowgate, Belinda Q.
                MRN: 00482917    DOB: 04/17/1951
                Accession Number: CR-2019-004512
                Referring Physician: Dr. Theo Vandermolen
                Exam date: 03/12/2019 14:32

                EXAM: Chest PA and lateral, 2 views.
                HISTORY: 67-year-old woman with cough. Seen by Dr. Okonkwo on March 9.
                COMPARISON: Radiograph dated 11/2/2018 from Mercy Medical Center.
                FINDINGS: Heart size is normal. A 3.2 x 4.1 cm mass in the right upper lobe. T4-T5 disc space is narrow.
                IMPRESSION: Right upper lobe mass. Findings were discussed with Dr. Vandermolen by telephone at 2:45 PM on 3/12/2019.

                Dictated by: Ingrid Sorrell, MD
                Electronically signed by: Marcus T. Pellwood M.D. 03/12/2019 15:10
                """,
            hidden: [
                "LAKEVIEW", "Harrowgate", "Belinda", "00482917", "04/17/1951", "CR-2019-004512", "Vandermolen", "Theo",
                "03/12/2019", "14:32",
                "Okonkwo", "March 9", "11/2/2018", "Mercy", "2:45", "3/12/2019", "Ingrid", "Sorrell", "Pellwood",
                "Marcus", "15:10",
            ],
            kept: ["67-year-old", "3.2 x 4.1 cm", "T4-T5", "2 views", "Right upper lobe mass", "Heart size is normal"]),
        PlantedReport(
            text: """
                Mr. Quillfeather is a 94-year-old man who lives at 42 Maple Hollow Road, Apt 3, Springfield, IL 62704. Call (617) 555-0123
                or pager 40917, or write to a.quillfeather@example.org. SSN 123-45-6789. His daughter, Rosamund, was informed.
                See https://portal.example.org/study?id=99 for images. Insurance policy no. BX-3391-22.
                Portable chest radiograph of 12 March 2019 at 0930 hours: no pneumothorax. No change from 2018-11-30.
                D: 12-MAR-2019 T: 13MAR2019
                """,
            hidden: [
                "Quillfeather", "94-year", "42 Maple", "Hollow", "Springfield", "62704", "617", "555-0123", "40917",
                "quillfeather@", "example.org",
                "123-45-6789", "Rosamund", "portal", "BX-3391", "12 March", "0930", "2018-11-30", "12-MAR-2019",
                "13MAR2019",
            ],
            kept: ["no pneumothorax", "Portable chest radiograph"]),
        PlantedReport(
            text: """
                CLINICAL HISTORY: FEVER. REQUESTED BY: DR. HOLLOWAY-PRICE. PT ID 7741209.
                FINDINGS: THE LUNGS ARE CLEAR. NO EFFUSION.
                CRITICAL RESULTS CALLED TO MS. TANGUAY, RN, ON 1/5/21 AT 1615 HRS.
                READ BY: JORGE L. ESTEVEZ, MD
                """,
            hidden: ["HOLLOWAY", "PRICE", "7741209", "TANGUAY", "1/5/21", "1615", "JORGE", "ESTEVEZ"],
            kept: ["THE LUNGS ARE CLEAR", "NO EFFUSION", "FEVER"]),
        PlantedReport(
            text: """
                dictated without capitals: discussed with dr pemberton, phone 617-555-0188. chest: no acute disease.
                Transferred from Riverbend for evaluation of Kerley B lines. Swan-Ganz catheter in place. Spoke with Anneliese Thornbury at 10:20.
                Admitted Tuesday, January 4th, 2022. Follow up in February. Sent to P.O. Box 1188, Dunmore, PA 18512.
                JRT/mk
                """,
            hidden: [
                "pemberton", "617-555-0188", "Riverbend", "Anneliese", "Thornbury", "10:20", "January", "2022",
                "February", "1188", "Dunmore", "18512",
                "JRT/mk",
            ],
            kept: ["Kerley B lines", "Swan-Ganz catheter", "no acute disease"]),
        PlantedReport(
            text: """
                Name: ZIMBRICK^OLIVETTE^M
                Acc#: A10293847   Unit No 55-18-02
                UID 1.2.840.113619.2.55.3.2831868886.123
                St. Brendan's Hospital, Radiology. Attending: Faulkenberry
                Right lung base opacity. Dr. Young agrees. Drs. Abernathy and Castellane were paged.
                Reviewed by John Young, MD and by K. Oyelaran, PA-C.
                """,
            hidden: [
                "ZIMBRICK", "OLIVETTE", "A10293847", "55-18-02", "1.2.840", "Brendan", "Faulkenberry", "Young",
                "Abernathy", "Castellane", "Oyelaran",
            ],
            kept: ["Right lung base opacity"]),
    ]

    static let japanese: [PlantedReport] = [
        PlantedReport(
            text: """
                患者名：鶴巻　花子　様
                フリガナ：ツルマキ　ハナコ
                患者ID：0012345678　生年月日：昭和26年4月17日
                住所：〒100-0001 東京都千代田区千代田1-1-1 コーポ青葉203号
                電話：03-1234-5678
                依頼医：呼吸器内科　佐藤
                検査日：2019年3月12日 14時32分
                胸部正面像。右上肺野に3.2×4.1cm大の結節影を認める。結節様の陰影は前回（平成30年11月2日、聖路加国際病院）と著変なし。
                読影医：山本 健一
                """,
            hidden: [
                "鶴巻", "花子", "ツルマキ", "ハナコ", "0012345678", "昭和26年", "4月17日", "100-0001", "千代田", "青葉", "1234-5678", "佐藤",
                "3月12日",
                "14時32分", "平成30年", "聖路加", "山本", "健一",
            ],
            kept: ["右上肺野に3.2×4.1cm大の結節影を認める", "結節様の陰影", "著変なし", "胸部正面像"]),
        PlantedReport(
            text: """
                92歳男性。R1.5.3撮影。主治医の渡辺先生へ午後2時に電話報告済み（内線 4321）。
                外科 中村医師より依頼。前医（さくら台クリニック）の令和元年5月1日の検査と比較。
                大阪府堺市在住。家族の田中さんに説明。報告は tanaka@example.jp まで。
                カルテ番号 55-1234-9。鈴木太郎氏（診療放射線技師）が撮影。
                両側肺門リンパ節腫大なし。Th4-5に変形性変化。
                """,
            hidden: ["92歳", "R1.5.3", "渡辺", "午後2時", "4321", "中村", "令和元年", "堺市", "田中", "tanaka", "55-1234", "鈴木", "太郎"],
            kept: ["両側肺門リンパ節腫大なし", "Th4-5に変形性変化", "男性"]),
    ]

    static let all = english + japanese
}
