import HilumIndex

/// The metadata of all cases in memory, turned round for filters: key → value → the numbers of the cases that have it.
///
/// A list of numbers takes four bytes a case and value, however many values there are; a bitmap a value would not.
/// Thread rule: a value; `Archive` guards it.
struct Attributes {
    private var postings: [String: [String: [UInt32]]] = [:]
    private(set) var live = ItemSet()
    private(set) var withImage = ItemSet()
    private(set) var withReport = ItemSet()

    func with(_ kind: VectorKind) -> ItemSet { kind == .image ? withImage : withReport }

    mutating func insert(_ number: UInt32, _ entry: CaseEntry) {
        live.insert(number)
        if entry.image != nil { withImage.insert(number) }
        if entry.hasReport { withReport.insert(number) }
        Self.forEachPair(entry) { key, value in
            var list = postings[key, default: [:]].removeValue(forKey: value) ?? []
            if let last = list.last, last >= number {
                let place = Self.place(of: number, in: list)
                if place == list.count || list[place] != number { list.insert(number, at: place) }
            } else {
                list.append(number)
            }
            postings[key, default: [:]][value] = list
        }
    }

    mutating func remove(_ number: UInt32, _ entry: CaseEntry) {
        live.remove(number)
        withImage.remove(number)
        withReport.remove(number)
        Self.forEachPair(entry) { key, value in
            guard var list = postings[key]?.removeValue(forKey: value) else { return }
            let place = Self.place(of: number, in: list)
            if place < list.count && list[place] == number { list.remove(at: place) }
            if !list.isEmpty { postings[key]?[value] = list }
        }
    }

    /// The cases that match; `ids` answers for the key `id`, which is not kept here.
    func evaluate(_ filter: Filter, ids: (Filter.Value) throws -> [UInt32]) rethrows -> ItemSet {
        var result = live
        for condition in filter.conditions {
            var matching = ItemSet()
            for value in condition.values {
                if condition.key == "id" {
                    for number in try ids(value) { matching.insert(number) }
                    continue
                }
                guard let values = postings[Self.canonical(condition.key)] else { continue }
                if case .equal(let text) = value {
                    for number in values[text] ?? [] { matching.insert(number) }
                } else {
                    for (text, list) in values where value.matches(text) {
                        for number in list { matching.insert(number) }
                    }
                }
            }
            result = condition.isNegated ? result.subtracting(matching) : result.intersection(matching)
        }
        return result
    }

    /// How many of `matching` have each value of `key`, the most frequent first.
    func facet(_ key: String, matching: ItemSet) -> [(value: String, count: Int)] {
        (postings[Self.canonical(key)] ?? [:]).map { value, list in (value, list.count { matching.contains($0) }) }
            .filter { $0.1 > 0 }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    /// Findings are asked for as `finding` or `findings`.
    static func canonical(_ key: String) -> String { key == "findings" ? "finding" : key }

    private static func forEachPair(_ entry: CaseEntry, _ body: (String, String) -> Void) {
        for (key, value) in entry.metadata { body(canonical(key), value) }
        if let patient = entry.patient { body("patient", patient) }
        if let modality = entry.modality { body("modality", modality) }
        if let view = entry.view { body("view", view) }
        if let date = entry.date { body("date", date) }
        if let site = entry.site { body("site", site) }
        for name in names(of: entry.findings) { body("finding", name) }
    }

    /// The findings and, where one ends with a side, its name without: `finding=effusion` also matches "effusion left".
    static func names(of findings: [String]) -> Set<String> {
        var names = Set(findings)
        for finding in findings {
            for side in [" left", " right", " bilateral"] where finding.hasSuffix(side) {
                names.insert(String(finding.dropLast(side.count)))
            }
        }
        return names
    }

    /// The first place whose number is not below `number`.
    private static func place(of number: UInt32, in list: [UInt32]) -> Int {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
