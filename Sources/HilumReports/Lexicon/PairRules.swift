/// Findings that are said by two parts of a clause: `the heart … is enlarged` is cardiomegaly.
struct PairRules: Sendable {
    struct Outcome: Sendable, Hashable {
        let name: Int16
        /// 0 as it is, 1 denied by its wording (`normal heart size`), 2 doubted by it.
        let wording: UInt8
    }

    /// Whether a part is the thing that something is said of; otherwise it is what is said.
    var isObject: [Bool] = []
    private var outcomes: [UInt32: [Outcome]] = [:]

    mutating func add(_ object: Int, _ quality: Int, _ outcome: Outcome) {
        let key = UInt32(object) << 16 | UInt32(quality)
        if outcomes[key]?.contains(outcome) != true { outcomes[key, default: []].append(outcome) }
    }

    func outcomes(_ object: Int16, _ quality: Int16) -> [Outcome] {
        outcomes[UInt32(object) << 16 | UInt32(quality)] ?? []
    }
}
