/// The labels of each study as bits.
struct LabelSets: Sendable {
    /// 64-bit words a study.
    private let width: Int
    private let bits: [UInt64]
    /// The studies that have a label.
    let labelled: [Int]
    let count: Int

    init(_ labels: [Set<String>]) {
        var numbers: [String: Int] = [:]
        for name in labels.reduce(into: Set<String>(), { $0.formUnion($1) }).sorted() { numbers[name] = numbers.count }
        let width = max(1, (numbers.count + 63) / 64)
        var bits = [UInt64](repeating: 0, count: labels.count * width)
        for (study, set) in labels.enumerated() {
            for name in set {
                guard let number = numbers[name] else { continue }
                bits[study * width + number / 64] |= 1 << UInt64(number % 64)
            }
        }
        self.width = width
        self.bits = bits
        count = labels.count
        labelled = labels.indices.filter { !labels[$0].isEmpty }
    }

    /// Whether two studies have a label in common.
    func areRelated(_ a: Int, _ b: Int) -> Bool {
        for word in 0..<width where bits[a * width + word] & bits[b * width + word] != 0 { return true }
        return false
    }
}
