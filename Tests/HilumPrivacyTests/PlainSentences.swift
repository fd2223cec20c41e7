/// Sentences without identifiers, which masking must leave as they are.
enum PlainSentences {
    static let english = [
        "There is a 3.2 x 4.1 cm mass in the right upper lobe.", "Disc space narrowing at T4-T5 and L1.", "A 2 mm nodule is unchanged.",
        "1.5-cm nodule in the lingula.", "Image 45 of series 3 shows the lesion.", "About 1/3 of the left hemithorax is opacified.",
        "From 1/2 to 2/3 of the hemithorax.", "2/6 systolic murmur.", "Grade 3/6 murmur heard.", "Kerley B lines are present.",
        "Swan-Ganz catheter tip in the main pulmonary artery.", "Dobhoff tube below the diaphragm.", "Port-A-Cath in place.",
        "History of Hodgkin lymphoma.", "Hodgkin's disease, treated.", "Ghon complex in the left lung.", "Bochdalek hernia on the left.",
        "Morgagni hernia is possible.", "Consistent with Hampton hump.", "Westermark sign is absent.", "Compared to the prior study, no change.",
        "No change since prior.", "Follow up in 3 months.", "Symptoms for 2 weeks.", "Increased since yesterday.", "67-year-old woman with cough.",
        "A 5-day-old infant.", "89-year-old man.", "90 pack-year smoking history.", "Oxygen saturation of 92 percent.", "Heart rate 98.",
        "Temperature 101.5 F.", "The patient is status post CABG x 4.", "Stage T2 N1 M0.", "CT of the chest, 1.25 mm slices.",
        "MR angiography was performed.", "MR brain without contrast.", "DR chest, two views.", "PA and lateral views of the chest.",
        "AP view at 40 inches.", "The cardiothoracic ratio is 0.55.", "CTR 1:2.", "Titer 1:40.", "The 3:00 position of the left breast.",
        "At 2 o'clock, 4 cm from the nipple.", "Ribs 3-5 are fractured.", "Fracture of ribs 3, 4 and 5.", "The 4th and 5th ribs.",
        "Levels C5-6 and C6-7.", "L4-5-S1 fusion.", "18F-FDG uptake is low.", "99mTc-MDP bone scan.", "CA19-9 is elevated.", "HbA1c 7.2%.",
        "PaO2 of 60.", "Blood pressure 120/80.", "May represent scarring.", "This may be pneumonia.", "March fracture of the foot.",
        "Findings are consistent with Wegener granulomatosis.", "Findings discussed with the referring physician.", "Results were called to the ED.",
        "Discussed with the ICU team.", "Hickman catheter with its tip at the cavoatrial junction.", "Heimlich valve in place.",
        "Monteggia fracture.", "A Looser zone in the femur.", "In 2015 there was surgery.", "Since 2015, unchanged.", "Study limited by motion.",
        "Case 3.", "Exam: 2 views.", "No evidence of disease.", "Patient: 45 year old male.", "Patient rotated to the right.",
        "IMPRESSION: Normal chest.", "HISTORY: Chest pain.", "TECHNIQUE: PA and lateral.", "COMPARISON: None.", "CT scan from outside hospital.",
        "The hospital course was uneventful.", "Hospital day 3.", "Outside Hospital films.", "Right Hilar Mass.", "Outpatient Clinic.", "Chest Clinic referral.",
        "Degenerative changes of the Thoracic Spine.", "African American man.", "Right PICC, left IJ line.", "NG tube and ET tube.",
        "HU of 40 and -100 to 1000 HU.", "100-1000 HU.", "Volume 1200 mL.", "WBC 15000.", "Vancomycin 1500 mg.", "Coumadin held.",
        "THE LUNGS ARE CLEAR. HEART SIZE IS NORMAL.", "NO ACUTE CARDIOPULMONARY DISEASE.", "RIGHT LOWER LOBE PNEUMONIA.",
        "MILD CARDIOMEGALY WITH PULMONARY VASCULAR CONGESTION.", "Bi-apical scarring.", "S/P CABG.", "R/O TB.", "w/o contrast.",
        "Lungs: Clear.", "Heart: Normal.", "Mediastinum: Unremarkable.", "1. Normal. 2. No mass.", "Grade II/IV.", "ASD (type II).",
        "Gleason 3+4=7.", "TNM stage IIIA.", "BI-RADS 2.", "Fleischner criteria apply.", "Cobb angle of 23 degrees.", "Wilson disease.",
        "Stevens-Johnson syndrome.", "The left main bronchus.", "Dense breasts.", "St. Jude valve.", "The St. Jude valve is in place.", "Starr-Edwards valve.",
        "Dr. XXXX was called.", "Question of mass.", "Left-sided ICD, 2 leads.", "2-3 cm above the carina.", "4.5 cm above the carina.", "5-6 mm.",
        "No. 4 rib.", "10-12-14 mm nodules.", "Reported to be stable.", "Read as normal.", "Seen by CT.", "Proven by biopsy.", "Evaluated by MRI.",
    ]

    static let japanese = [
        "胸部に異常所見を認めません。", "結節様の陰影を認める。", "索状様陰影あり。", "すりガラス様陰影を認める。", "すりガラス様の濃度上昇。", "右中野に結節影。", "左上野の浸潤影。",
        "3.2×4.1cm大の腫瘤。", "Th4-5の変形。", "第4肋骨骨折。", "右S1に結節。", "右S3.4に陰影。", "S8.9.10に浸潤影。", "3ヶ月後の再検を勧めます。", "2週間前から咳嗽。", "前回と著変なし。",
        "他院にて手術後。", "当院初診。", "近医より紹介。", "かかりつけ医に相談。", "主治医と相談のこと。", "担当医に連絡済み。", "患者は67歳男性。", "67歳女性。", "術後5日目。", "第3病日。",
        "6時方向に腫瘤。", "3時間後の再検査。", "ホジキンリンパ腫の既往。", "川崎病の既往。", "橋本病で通院中。", "高安動脈炎の疑い。", "木村病。", "関節炎あり。", "森林様。", "石灰化を伴う。",
        "心拡大なし。CTR 48%。", "1/3程度の胸水。", "放射線科医師により読影。", "読影医師の確認が必要。", "健診センターで指摘。", "大学病院へ紹介。", "総合病院で精査。", "2019年に手術。", "小児科より依頼。",
        "患者様に説明してください。", "患者さんの同意あり。", "ガラス様物質。", "同様の所見。", "多様な陰影。", "両側とも正常。", "造影CT 1.25mm。", "水腎症。", "原田病の既往。", "平山病。", "氏名の記載なし。",
    ]

    static let all = english + japanese
}
