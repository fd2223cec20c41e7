/// `text` on one line: control characters and the line separators of Unicode become blanks.
///
/// What a file is called can then neither begin a line of its own in a log nor control a terminal.
public func onOneLine(_ text: String) -> String {
    // Without such characters, which is nearly always, there is nothing to do. U+0080 to U+009F begin with C2, U+2028 and U+2029 with E2.
    guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 || $0 == 0xE2 }) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029: result.append(" ")
        default: result.append(scalar)
        }
    }
    return String(result)
}
