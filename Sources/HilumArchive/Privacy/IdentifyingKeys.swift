import HilumCore

/// Keys of free metadata whose values name somebody, by what people call them.
enum IdentifyingKeys {
    /// What a value of this key is; nil for a key that names nobody.
    static func kind(of key: String) -> ReportMask? { kinds[plain(key)] }

    /// Whether values of this key are UIDs of DICOM.
    static func isUID(_ key: String) -> Bool {
        ["study", "series", "sop"].contains(key) || plain(key).hasSuffix("uid")
    }

    /// What the tags of DICOM files say in fixed words; no rule for texts reads it.
    static let coded: Set<String> = [
        "laterality", "body_part", "sex", "age", "manufacturer", "frame", "burned_in", "report_status",
    ]

    private static func plain(_ key: String) -> String {
        String(decoding: key.utf8.filter { ![32, 45, 46, 95].contains($0) }, as: UTF8.self).lowercased()
    }

    private static let kinds: [String: ReportMask] = {
        let names = """
            name patientname fullname familyname givenname firstname lastname middlename surname maidenname nextofkin guardian
            physician referringphysician performingphysician readingphysician attending doctor radiologist reader operator operatorsname
            technologist author reportedby dictatedby 氏名 患者名 患者氏名 医師 読影医 依頼医
            """
        let numbers = """
            mrn patientid patientnumber medicalrecordnumber recordnumber chartnumber accession accession2 accession3 accessionnumber
            accessionno ssn
            socialsecurity socialsecuritynumber insurance insurancenumber account accountnumber license licensenumber
            deviceserial serialnumber admissionid 患者番号 患者id カルテ番号
            """
        let contacts = "phone telephone tel mobile fax email mail url website ip ipaddress 電話 電話番号"
        let addresses = "address street city town zip zipcode postcode postalcode county 住所 郵便番号"
        let dates = "birthdate dateofbirth dob birthday born birthtime deathdate dateofdeath 生年月日"
        var kinds: [String: ReportMask] = [:]
        for (list, kind) in [
            (names, ReportMask.name), (numbers, .number), (contacts, .contact), (addresses, .address), (dates, .date),
        ] {
            for word in list.split(whereSeparator: { $0 == " " || $0 == "\n" }) { kinds[String(word)] = kind }
        }
        return kinds
    }()
}
