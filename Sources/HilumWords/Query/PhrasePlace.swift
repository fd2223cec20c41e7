/// Where a phrase may begin: document, position, section and assertion in one number, in this order of significance.
enum PhrasePlace {
    /// No section and assertion.
    static let none = UInt8.max
    private static let payloadBitCount: UInt64 = 4

    static func make(_ document: UInt32, _ position: Int, section: Int, assertion: Int) -> UInt64 {
        UInt64(document) << 32 | UInt64(position) << payloadBitCount | UInt64(section) << 2 | UInt64(assertion)
    }

    static func document(_ place: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: place >> 32) }
    static func section(_ place: UInt64) -> Int { Int(place >> 2 & 3) }
    static func assertion(_ place: UInt64) -> Int { Int(place & 3) }

    /// Whether two are the same position of the same document.
    static func areLevel(_ one: UInt64, _ other: UInt64) -> Bool { one >> payloadBitCount == other >> payloadBitCount }

    /// A place with what another word has there: the less weighted assertion of both, and the section of the one that counts.
    static func joined(
        _ place: UInt64, _ payload: UInt8, takesSection: Bool, _ assertions: AssertionWeights
    ) -> UInt64 {
        let section = takesSection ? Int(payload >> 2) : self.section(place)
        let (mine, other) = (assertion(place), Int(payload & 3))
        let assertion = assertions[other] < assertions[mine] ? other : mine
        return place & ~0xF | UInt64(section << 2 | assertion)
    }
}
