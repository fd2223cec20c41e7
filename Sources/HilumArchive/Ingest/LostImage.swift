import Foundation

/// An image of a case that cannot be read, while the rest of the case is stored.
///
/// The row of the journal that leads to the case keeps these in place of a reason, so that the next run names them again and decodes
/// nothing. Thread rule: a value.
package struct LostImage: Sendable, Equatable {
    /// Absolute.
    package let path: String
    /// What is wrong with it, without the path.
    package let reason: String

    init(path: String, reason: String) {
        self.path = path
        let named = path + ": "
        self.reason = reason.hasPrefix(named) ? String(reason.dropFirst(named.count)) : reason
    }

    /// Of one that does not begin as an image does.
    static let isNone = "this is not an image that can be read"

    /// Between texts: neither a path nor a reason holds it.
    private static let end = "\u{0}"

    /// As one text, which is empty for none.
    static func joined(_ images: [LostImage]) -> String {
        images.flatMap { [$0.path, $0.reason] }.joined(separator: end)
    }

    /// What `joined` wrote.
    static func parted(_ text: String) -> [LostImage] {
        let parts = text.components(separatedBy: end)
        guard parts.count.isMultiple(of: 2) else { return [] }
        return stride(from: 0, to: parts.count, by: 2).map { LostImage(path: parts[$0], reason: parts[$0 + 1]) }
    }
}
