/// Takes the plural ending off an English word: `effusions` and `effusion`, `opacities` and `opacity` become one term.
///
/// The rules need not give a word of the language (`series` becomes `sery`), only the same term for both forms. Words in
/// `-ss`, `-us` and `-is` (mass, thrombus, basis) have no plural ending.
enum Plural {
    /// The word without its ending, in place.
    ///
    /// - Parameters:
    ///   - bytes: end with the word, which is in lower case.
    ///   - start: where the word begins.
    @inline(__always)
    static func fold(_ bytes: inout [UInt8], from start: Int) {
        let count = bytes.count - start
        guard count > 3, bytes[bytes.count - 1] == UInt8(ascii: "s") else { return }
        foldEnding(&bytes, count)
    }

    private static func foldEnding(_ bytes: inout [UInt8], _ count: Int) {
        let end = bytes.count
        /// The byte so many places before the last.
        func before(_ places: Int) -> UInt8 { bytes[end - 1 - places] }
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        switch before(1) {
        case UInt8(ascii: "s"), UInt8(ascii: "u"), UInt8(ascii: "i"): return
        case UInt8(ascii: "e"):
            let isLong = count > 4
            if isLong && before(2) == UInt8(ascii: "i") {
                bytes.removeLast(3)
                return bytes.append(UInt8(ascii: "y"))
            }
            let sibilant =
                before(2) == UInt8(ascii: "x")
                || (isLong && before(2) == UInt8(ascii: "s") && before(3) == UInt8(ascii: "s"))
                || (isLong && before(2) == UInt8(ascii: "h")
                    && (before(3) == UInt8(ascii: "s") || before(3) == UInt8(ascii: "c")))
            bytes.removeLast(sibilant ? 2 : 1)
        case let letter where letters.contains(letter): bytes.removeLast()
        default: return
        }
    }
}
