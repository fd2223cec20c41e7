import Foundation

/// Names of one folder that differ only in how Unicode writes an accent. They are one id, and may be two patients.
///
/// One of them is taken, always the same: the one in the composed spelling (NFC), or else the first by its bytes. The others are named
/// as they are passed over.
package struct NameTwins: Sendable {
    /// Why a file is passed over.
    package static let reason = "name that another file has in another Unicode spelling"

    /// Those that are taken.
    package let names: [String]
    /// Those that are not.
    package let others: [String]
    /// Which of `names` have a twin.
    private let doubted: Set<String>

    package init(_ all: [String]) {
        guard !all.allSatisfy({ name in name.utf8.allSatisfy { $0 < 128 } }) else {
            (names, others, doubted) = (all, [], [])
            return
        }
        let sorted = all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        // Swift takes two spellings of one text for equal.
        var chosen: [String: String] = [:]
        var passedOver: [String] = []
        for name in sorted {
            guard let first = chosen[name] else {
                chosen[name] = name
                continue
            }
            let isComposed = CaseID.canonical(name).utf8.elementsEqual(name.utf8)
            if isComposed { chosen[name] = name }
            passedOver.append(isComposed ? first : name)
        }
        names = sorted.filter { name in chosen[name]?.utf8.elementsEqual(name.utf8) == true }
        others = passedOver
        doubted = Set(passedOver)
    }

    /// Whether a name that is taken has a twin, so that it goes with no file that is spelled otherwise.
    package func hasTwin(_ name: String) -> Bool { doubted.contains(name) }
}
