/// Times of HL7 (`YYYY[MM[DD[HHMM[SS[.S…]]]]][+ZZZZ]`) and of DICOM, which writes them alike.
enum HL7Time {
    /// The time as ISO 8601, without what is smaller than a second and without the zone; nil for what is no date.
    static func iso(_ text: String) -> String? {
        let digits = text.utf8.prefix { 48...57 ~= $0 }.map { $0 }
        guard digits.count >= 8, digits.count % 2 == 0 else { return nil }
        func part(_ start: Int, _ count: Int) -> String {
            String(decoding: digits[start..<(start + count)], as: UTF8.self)
        }
        let (month, day) = (Int(part(4, 2)) ?? 0, Int(part(6, 2)) ?? 0)
        guard part(0, 4) > "0000", 1...12 ~= month, 1...31 ~= day else { return nil }
        let date = "\(part(0, 4))-\(part(4, 2))-\(part(6, 2))"
        guard digits.count >= 12, let hour = Int(part(8, 2)), let minute = Int(part(10, 2)), hour < 24, minute < 60
        else {
            return date
        }
        let seconds = digits.count >= 14 ? part(12, 2) : "00"
        return "\(date)T\(part(8, 2)):\(part(10, 2)):\(seconds)"
    }
}
