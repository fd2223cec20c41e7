/// What a word of the lists says about the words around it. Each class is a block of a file in `Resources/Privacy`.
struct WordClass: OptionSet, Sendable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }
    private init(bit: Int) { rawValue = 1 << UInt64(bit) }

    // MARK: What is no name

    /// Words of reports and of daily language.
    static let ordinary = WordClass(bit: 0)
    /// Words that are no name even behind a title.
    static let function = WordClass(bit: 1)
    /// Names of diseases, signs and devices, of peoples and countries.
    static let eponym = WordClass(bit: 2)
    /// What follows an eponym: `disease`, `sign`.
    static let eponymNoun = WordClass(bit: 3)
    /// Values of a field that name nobody.
    static let void = WordClass(bit: 4)

    // MARK: People

    static let title = WordClass(bit: 5)
    static let nursing = WordClass(bit: 6)
    static let degree = WordClass(bit: 7)
    /// `van`, `de`: inside of a name.
    static let particle = WordClass(bit: 8)
    static let suffix = WordClass(bit: 9)
    /// What is done by somebody: `dictated`.
    static let by = WordClass(bit: 10)
    /// That somebody was spoken to.
    static let talk = WordClass(bit: 11)
    static let towards = WordClass(bit: 12)
    static let kin = WordClass(bit: 13)
    /// Words of the fields of a header that hold a name.
    static let field = WordClass(bit: 14)
    /// `name`: whatever such a field holds is one.
    static let holder = WordClass(bit: 15)
    static let given = WordClass(bit: 16)

    // MARK: Dates

    static let month = WordClass(bit: 17)
    static let monthShort = WordClass(bit: 18)
    static let weekday = WordClass(bit: 19)
    static let dateCue = WordClass(bit: 20)
    static let hours = WordClass(bit: 21)
    static let dayHalf = WordClass(bit: 22)
    static let old = WordClass(bit: 23)
    /// `ratio`, `titer`: 1:40 is no time behind it.
    static let notTime = WordClass(bit: 24)
    /// `position`: 3:00 is a place before it.
    static let notClock = WordClass(bit: 25)
    static let unit = WordClass(bit: 26)
    /// Units of what is measured in a body or a picture. Other units may stand behind a date or a telephone number.
    static let quantity = WordClass(bit: 62)
    /// `films`: what a date or a number of an exam stands before.
    static let picture = WordClass(bit: 63)

    // MARK: Numbers

    /// A number follows, whatever stands between.
    static let idStrong = WordClass(bit: 27)
    /// A number follows if `number`, `#` or a colon does.
    static let idWeak = WordClass(bit: 28)
    static let idNoun = WordClass(bit: 29)
    static let phone = WordClass(bit: 30)

    // MARK: Addresses and institutions

    static let street = WordClass(bit: 31)
    static let streetWeak = WordClass(bit: 32)
    static let dwelling = WordClass(bit: 33)
    static let home = WordClass(bit: 34)
    static let state = WordClass(bit: 35)
    static let stateName = WordClass(bit: 36)
    static let institution = WordClass(bit: 37)
    static let institutionLast = WordClass(bit: 38)
    static let institutionMiddle = WordClass(bit: 39)
    static let institutionOwn = WordClass(bit: 40)
    static let at = WordClass(bit: 41)
    static let move = WordClass(bit: 42)

    // MARK: Japanese

    static let jaSurname = WordClass(bit: 43)
    static let jaSurnameKana = WordClass(bit: 44)
    static let jaSurnameLatin = WordClass(bit: 45)
    static let jaField = WordClass(bit: 46)
    static let jaFieldStrict = WordClass(bit: 47)
    static let jaHonorific = WordClass(bit: 48)
    static let jaRole = WordClass(bit: 49)
    static let jaNobody = WordClass(bit: 50)
    /// Before 様 that means "like".
    static let jaLike = WordClass(bit: 51)
    static let jaVoid = WordClass(bit: 52)
    static let jaOrdinary = WordClass(bit: 53)
    static let jaPrefecture = WordClass(bit: 54)
    static let jaID = WordClass(bit: 55)
    static let jaPhone = WordClass(bit: 56)
    static let jaAddress = WordClass(bit: 57)
    static let jaEra = WordClass(bit: 58)
    static let jaInstitution = WordClass(bit: 59)
    static let jaInstitutionOwn = WordClass(bit: 60)
    static let jaInstitutionAny = WordClass(bit: 61)

    /// No name of anybody, unless something before it says so.
    static let noName: WordClass = [
        .ordinary, .function, .eponym, .month, .monthShort, .weekday, .unit, .institution, .title, .degree,
    ]

    /// The class of each block of the files.
    static let blocks: [String: WordClass] = [
        "ordinary": .ordinary, "function": .function, "eponym": .eponym, "eponym-noun": .eponymNoun, "void": .void,
        "title": .title, "nursing": .nursing, "degree": .degree, "particle": .particle, "suffix": .suffix,
        "by": .by, "talk": .talk, "towards": .towards, "kin": .kin, "field": .field, "holder": .holder,
        "given": .given,
        "month": .month, "month-short": .monthShort, "weekday": .weekday, "date-cue": .dateCue, "hours": .hours,
        "day-half": .dayHalf, "old": .old, "not-time": .notTime, "not-clock": .notClock, "unit": .unit,
        "quantity": .quantity, "picture": .picture,
        "id-strong": .idStrong, "id-weak": .idWeak, "id-noun": .idNoun, "phone": .phone,
        "street": .street, "street-weak": .streetWeak, "dwelling": .dwelling, "home": .home, "state": .state,
        "state-name": .stateName, "institution": .institution, "institution-last": .institutionLast,
        "institution-middle": .institutionMiddle, "institution-own": .institutionOwn, "at": .at, "move": .move,
        "ja-surname": .jaSurname, "ja-surname-kana": .jaSurnameKana, "ja-surname-latin": .jaSurnameLatin,
        "ja-field": .jaField, "ja-field-strict": .jaFieldStrict, "ja-honorific": .jaHonorific, "ja-role": .jaRole,
        "ja-nobody": .jaNobody, "ja-like": .jaLike, "ja-void": .jaVoid, "ja-ordinary": .jaOrdinary,
        "ja-prefecture": .jaPrefecture, "ja-id": .jaID, "ja-phone": .jaPhone, "ja-address-field": .jaAddress,
        "ja-era": .jaEra, "ja-institution": .jaInstitution, "ja-institution-own": .jaInstitutionOwn,
        "ja-institution-any": .jaInstitutionAny,
    ]
}
