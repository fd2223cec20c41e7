import Foundation
import HilumCore
import HilumIndex

/// The metadata of all cases in memory, as an inverted index for filters: key → value → the numbers of the cases that have it.
///
/// A case's number is also the item of its report and of its first image; further images have the numbers after it.
///
/// Lists of numbers take four bytes per case and value, however many values there are; a bitmap per value would take far more.
/// Thread rule: a value; `Archive` guards it.
struct Attributes: Sendable {
    /// What was made to answer and may be kept, so that the next answer is quick.
    struct Learned {
        enum What {
            case set(Filter.Value, ItemSet)
            case order(OrderedCases.Order, OrderedCases)
            case column(ValueColumn)
        }

        let key: String
        let what: What
    }

    /// What counting the values of a key found.
    struct Counted {
        var values: [FacetValue]
        var distinctCount: Int
        /// All cases at the same moment.
        var caseCount: Int
        /// To be kept.
        var counts: ValueCounts?
        var learned: [Learned] = []
    }

    /// How many bytes keys may take for what they remember; beyond it, the key that was asked for first forgets.
    struct RememberedLimit: Sendable {
        var base = 16 << 20
        var ofCase = 64

        func byteCount(caseCount: Int) -> Int { base + ofCase * caseCount }
    }

    private static let clock = AtomicCounter()

    private(set) var keys: [String: Postings] = [:]
    /// Another one after every change, and different among all attributes of the process.
    private(set) var version = Attributes.clock.increment()
    /// Numbers of the cases.
    private(set) var live = ItemSet()
    /// Items of images.
    private(set) var withImage = ItemSet()
    /// Items of reports that have a vector.
    private(set) var withReport = ItemSet()
    /// Numbers of the cases whose report has no vector.
    private(set) var withWordsAlone = ItemSet()
    /// Images that are not the first of their case.
    private(set) var furtherImages = ItemSet()
    /// Numbers of the cases whose first image has no vector though a further one has.
    private(set) var withFurtherImageAlone = ItemSet()
    /// The keys that remember something, the oldest first.
    private var learnedKeys: [String] = []
    var rememberedLimit = RememberedLimit()
    /// The generation whose vectors these are.
    let generation: UInt32

    /// The items that have a vector of `kind`.
    func with(_ kind: VectorKind) -> ItemSet { kind == .image ? withImage : withReport }

    /// The cases that have a report, with or without a vector.
    var withText: ItemSet { withWordsAlone.isEmpty ? withReport : withReport.union(withWordsAlone) }

    /// The cases that have the vector of an image.
    var withAnyImage: ItemSet {
        let first = live.intersection(withImage)
        return withFurtherImageAlone.isEmpty ? first : first.union(withFurtherImageAlone)
    }

    /// The case that an item belongs to.
    func owner(of item: UInt32) -> UInt32 {
        var number = item
        while furtherImages.contains(number) { number -= 1 }
        return number
    }

    /// The items of `kind` that belong to `cases`.
    ///
    /// Cases without a vector may be among them: no graph has an item of theirs. They are taken out where they are many, since the graph weighs
    /// by the number of items whether to walk or to scan.
    func items(of cases: ItemSet, _ kind: VectorKind) -> ItemSet {
        let isUsual = with(kind).count >= live.count / 2
        var items = isUsual ? cases : cases.intersection(with(kind))
        if kind == .image {
            furtherImages.forEach { item in
                if withImage.contains(item), cases.contains(owner(of: item)) { items.insert(item) }
            }
        }
        return items
    }

    /// Says that something else of the cases has changed, such as their words or links.
    mutating func noteChange() { version = Self.clock.increment() }

    /// Adds a case, or puts one back that has a new entry.
    mutating func insert(_ number: UInt32, _ entry: CaseEntry) {
        version = Self.clock.increment()
        live.insert(number)
        for item in entry.items(.image, of: number) {
            withImage.insert(item)
            if item > number { furtherImages.insert(item) }
        }
        if !entry.gaps.isEmpty {
            for item in entry.items(.image, of: number) { withImage.remove(item) }
            for item in entry.items(.image, of: number, in: generation) { withImage.insert(item) }
            noteFurtherImages(of: number)
        }
        if entry.hasReport {
            if entry.lacksReportVector(in: generation) {
                withWordsAlone.insert(number)
            } else {
                withReport.insert(number)
            }
        }
        Self.forEachPair(entry) { key, value in keys[key, default: Postings()].insert(number, value) }
    }

    /// Notes whether a further image of a case has a vector while the first has none.
    private mutating func noteFurtherImages(of number: UInt32) {
        withFurtherImageAlone.remove(number)
        guard !withImage.contains(number) else { return }
        var item = number + 1
        while furtherImages.contains(item) {
            if withImage.contains(item) {
                withFurtherImageAlone.insert(number)
                return
            }
            item += 1
        }
    }

    mutating func remove(_ number: UInt32, _ entry: CaseEntry) {
        version = Self.clock.increment()
        live.remove(number)
        withFurtherImageAlone.remove(number)
        for item in entry.items(.image, of: number) {
            withImage.remove(item)
            furtherImages.remove(item)
        }
        withReport.remove(number)
        withWordsAlone.remove(number)
        Self.forEachPair(entry) { key, value in keys[key]?.remove(number, value) }
    }

    // MARK: Filters

    /// The tables that must be loaded before a filter with these keys can be evaluated.
    func unloaded(_ names: some Sequence<String>) -> [(key: String, location: Postings.Location)] {
        names.compactMap { name in
            let key = Self.canonical(name)
            guard case .stored(let location)? = keys[key]?.base else { return nil }
            return (key, location)
        }
    }

    mutating func load(_ blob: PostingBlob, _ key: String, from location: Postings.Location) {
        keys[key]?.load(blob, from: location)
    }

    /// The cases that match. The keys of the filter must be loaded.
    ///
    /// - Parameters:
    ///   - said: by condition, what reports say.
    ///   - named: by condition, the cases that one on the key `id` names, as that key is not kept here.
    ///   - learned: gets the sets that `remember` should keep.
    func evaluate(
        _ filter: Filter, said: [SaidCases?] = [], named: [[UInt32]?] = [], learned: inout [Learned]
    ) -> ItemSet {
        var result = live
        // What tables select is among the cases, so the first condition needs no intersection.
        var isWhole = true
        for (place, condition) in filter.conditions.enumerated() {
            var matching = ItemSet()
            if place < said.count, let said = said[place] {
                matching = said.cases
                if said.needsNoFindings { matching = matching.subtracting(withValue(of: "finding", &learned)) }
            }
            if place < named.count, let numbers = named[place] {
                matching.insert(contentsOf: numbers)
            } else {
                matching = matching.union(cases(with: condition, &learned))
            }
            let isOfTables = condition.key != "id" && (place >= said.count || said[place] == nil)
            if condition.isNegated {
                result = result.subtracting(matching)
            } else {
                result = isWhole && isOfTables ? matching : result.intersection(matching)
            }
            isWhole = false
        }
        return result
    }

    /// The cases that have one of a condition's values. The key must be loaded.
    ///
    /// - Complexity: a search in the table for each value, and one pass over the table for all ranges and dates together.
    private func cases(with condition: Filter.Condition, _ learned: inout [Learned]) -> ItemSet {
        let key = Self.canonical(condition.key)
        guard let postings = keys[key] else { return ItemSet() }
        var all = ItemSet()
        var compared: [Filter.Value] = []
        for value in condition.values {
            if let set = postings.sets[value] {
                all = all.isEmpty ? set : all.union(set)
            } else if let range = OrderedRange(value, key: key) {
                for part in range.parts {
                    let found = order(part.order, postings, key, &learned).cases(from: part.lower, to: part.upper)
                    all = all.isEmpty ? found : all.union(found)
                }
            } else if case .equal(let text) = value, !condition.isDate {
                let numbers = postings.numbers(of: Self.spelled(text))
                all.insert(contentsOf: numbers)
                guard numbers.count >= ConditionSets.leastSize, condition.values.count <= ConditionSets.mostAtOnce
                else { continue }
                learned.append(Learned(key: key, what: .set(value, ItemSet(numbers))))
            } else {
                compared.append(value)
            }
        }
        return compared.isEmpty ? all : all.union(cases(passing: compared, condition, postings, key, &learned))
    }

    /// The cases whose values pass what `compared` asks, in one pass over the table.
    private func cases(
        passing compared: [Filter.Value], _ condition: Filter.Condition, _ postings: Postings, _ key: String,
        _ learned: inout [Learned]
    ) -> ItemSet {
        let tests = compared.map { condition.test($0) }
        // A set for each, to be kept; one for all where they are many.
        let isEachKept = compared.count <= ConditionSets.mostAtOnce
        var found = [ItemSet](repeating: ItemSet(), count: isEachKept ? tests.count : 1)
        var accepting: [Int] = []
        postings.forEachValue(
            where: { text in
                let value = condition.stored(text)
                if isEachKept {
                    accepting = tests.indices.filter { tests[$0].accepts(value) }
                } else {
                    accepting = tests.contains { $0.accepts(value) } ? [0] : []
                }
                return !accepting.isEmpty
            },
            { _, numbers in for place in accepting { found[place].insert(contentsOf: numbers) } })
        var all = ItemSet()
        for cases in found { all = all.union(cases) }
        if isEachKept {
            for (value, cases) in zip(compared, found) { learned.append(Learned(key: key, what: .set(value, cases))) }
        }
        return all
    }

    /// The cases of a key in an order: what is kept, what was just made, or a new one.
    private func order(
        _ order: OrderedCases.Order, _ postings: Postings, _ key: String, _ learned: inout [Learned]
    ) -> OrderedCases {
        if let known = postings.orders[order] { return known }
        for item in learned where item.key == key {
            if case .order(order, let cases) = item.what { return cases }
        }
        let cases = postings.ordered(order)
        learned.append(Learned(key: key, what: .order(order, cases)))
        return cases
    }

    /// Stands for any value at all: every text lies in it, as no bound is a number or a date.
    static let anyValue = Filter.Value.range(lower: "", upper: nil)

    /// The cases that have any value of `key`. The key must be loaded.
    func withValue(of key: String, _ learned: inout [Learned]) -> ItemSet {
        guard let postings = keys[key] else { return ItemSet() }
        if let set = postings.sets[Self.anyValue] { return set }
        var all = ItemSet()
        postings.forEachValue { _, numbers in all.insert(contentsOf: numbers) }
        learned.append(Learned(key: key, what: .set(Self.anyValue, all)))
        return all
    }

    /// Keeps what was made at `version`, unless a case has changed since.
    mutating func remember(_ learned: [Learned], madeAt version: Int) {
        guard version == self.version else { return }
        for item in learned {
            switch item.what {
            case .set(let value, let cases): keys[item.key]?.remember(cases, value, of: item.key)
            case .order(let order, let cases): keys[item.key]?.remember(cases, order)
            case .column(let column): keys[item.key]?.remember(column)
            }
            noteLearned(item.key)
        }
    }

    /// Keeps counts that were made at `version`, unless a case has changed since.
    mutating func remember(_ counts: ValueCounts, of key: String, madeAt version: Int) {
        guard version == self.version else { return }
        keys[Self.canonical(key)]?.remember(counts)
        noteLearned(Self.canonical(key))
    }

    /// Bounds what is remembered: whoever may search may name any key.
    private mutating func noteLearned(_ key: String) {
        learnedKeys.removeAll { $0 == key }
        learnedKeys.append(key)
        let limit = rememberedLimit.byteCount(caseCount: live.count)
        while !learnedKeys.isEmpty, rememberedByteCount > limit { keys[learnedKeys.removeFirst()]?.forget() }
    }

    /// About how many bytes of memory filters and facets hold to be quick.
    var rememberedByteCount: Int { learnedKeys.reduce(0) { $0 + (keys[$1]?.rememberedByteCount ?? 0) } }

    /// How many of `cases` have each value of `key`, the most frequent first. The key must be loaded.
    ///
    /// - Parameter cases: nil for all.
    func countValues(of key: String, among cases: ItemSet?, limit: Int) -> Counted {
        let key = Self.canonical(key)
        guard let postings = keys[key] else { return Counted(values: [], distinctCount: 0, caseCount: live.count) }
        guard let cases else {
            let counts = postings.counts ?? ValueCounts(postings.countedValues())
            if let best = counts.best(limit) {
                let isNew = postings.counts == nil
                return Counted(
                    values: best, distinctCount: counts.byValue.count, caseCount: live.count,
                    counts: isNew ? counts : nil)
            }
            let fresh = ValueCounts(counts.byValue)
            let best =
                fresh.best(limit)
                ?? FacetValue.best(limit) { body in for (value, count) in counts.byValue { body(value, count) } }
            return Counted(
                values: best, distinctCount: counts.byValue.count, caseCount: live.count, counts: fresh)
        }
        // A case may have several findings.
        if key != "finding", let column = postings.column ?? postings.makeColumn() {
            let counted = postings.count(by: column, among: cases, limit: limit)
            let isNew = postings.column == nil
            return Counted(
                values: counted.values, distinctCount: counted.distinctCount, caseCount: live.count,
                learned: isNew ? [Learned(key: key, what: .column(column))] : [])
        }
        var distinctCount = 0
        var learned: [Learned] = []
        let isDate = Filter.Condition.isDate(key)
        // Counted by words, 64 cases at once; no more than 32 values of a case's only one can be that frequent.
        let least = max(ConditionSets.leastSize, live.count / 32)
        func known(_ value: String) -> ItemSet? {
            // A date that is asked for also takes those within its period.
            if isDate { return nil }
            if let set = postings.sets[.equal(value)] { return set }
            guard postings.sets.hasRoom(for: learned.count) else { return nil }
            var set = ItemSet()
            set.insert(contentsOf: postings.numbers(of: value))
            learned.append(Learned(key: key, what: .set(.equal(value), set)))
            return set
        }
        let values = FacetValue.best(limit) { body in
            postings.forEachValue(among: cases, least: least, known: known) { value, count in
                distinctCount += 1
                body(value, count)
            }
        }
        return Counted(values: values, distinctCount: distinctCount, caseCount: live.count, learned: learned)
    }

    /// The cases by the texts of one key, at one moment.
    struct Groups {
        let key: String
        let live: ItemSet
        fileprivate let postings: Postings?

        /// The cases with a text under the key, exactly as it is stored.
        func cases(with text: String) -> CaseNumbers {
            guard let postings else { return CaseNumbers([]) }
            let text = Attributes.spelled(text)
            // A date that is asked for also takes those within its period.
            if !Filter.Condition.isDate(key), let set = postings.sets[.equal(text)] { return .bits(set) }
            return CaseNumbers(postings.numbers(of: text))
        }
    }

    /// The cases by the texts of `key`, which must be loaded.
    func groups(by key: String) -> Groups { Groups(key: key, live: live, postings: keys[key]) }

    /// Findings are asked for as `finding` or `findings`.
    static func canonical(_ key: String) -> String { key == "findings" ? "finding" : key }

    static func forEachPair(_ entry: CaseEntry, _ body: (String, String) -> Void) {
        entry.fields.forEachText { key, value in body(canonical(key), spelled(value)) }
        for name in names(of: entry.fields.findings.map(spelled)) { body("finding", name) }
    }

    /// One spelling for what Unicode can write in several ways: tables compare bytes.
    static func spelled(_ value: String) -> String {
        value.utf8.allSatisfy { $0 < 128 } ? value : value.precomposedStringWithCanonicalMapping
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

    // MARK: Checkpoints

    /// The four sets as bytes: for each the count of words (4) and the words (8 each), bit i of word w for item 64 w + i. The fifth,
    /// of the reports without a vector, follows where there are any.
    var encodedSets: [UInt8] {
        var writer = ByteWriter()
        for set in [live, withImage, withReport, furtherImages] + (withWordsAlone.isEmpty ? [] : [withWordsAlone]) {
            writer.integer(UInt32(set.words.count))
            for word in set.words { writer.integer(word) }
        }
        return writer.bytes
    }

    /// Which keys there are and where their tables lie: count, then name, epoch (4), first piece (4), bytes (8) for each.
    var encodedDirectory: [UInt8] {
        var writer = ByteWriter()
        let stored = keys.compactMap { key, postings in postings.location.map { (key, $0) } }.sorted { $0.0 < $1.0 }
        writer.length(stored.count)
        for (key, location) in stored {
            writer.text(key)
            writer.integer(location.epoch)
            writer.integer(UInt32(location.firstPiece))
            writer.integer(UInt64(location.byteCount))
        }
        return writer.bytes
    }

    init(generation: UInt32 = 1) { self.generation = generation }

    /// - Throws: `ByteReader.Malformed`
    init(sets: [UInt8], directory: [UInt8], generation: UInt32 = 1) throws {
        self.generation = generation
        let decoded = try sets.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            var sets: [ItemSet] = []
            while sets.count < 4 || sets.count < 5 && !reader.isAtEnd {
                let count = Int(try reader.integer(UInt32.self))
                guard count <= reader.remaining / 8 else { throw ByteReader.Malformed.cutOff }
                sets.append(ItemSet(words: try (0..<count).map { _ in try reader.integer(UInt64.self) }))
            }
            guard reader.isAtEnd else { throw ByteReader.Malformed() }
            return sets
        }
        (live, withImage, withReport, furtherImages) = (decoded[0], decoded[1], decoded[2], decoded[3])
        if decoded.count > 4 { withWordsAlone = decoded[4] }
        if !furtherImages.isEmpty { live.subtracting(withImage).forEach { noteFurtherImages(of: $0) } }
        try directory.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            for _ in 0..<(try reader.length()) {
                let key = try reader.text()
                let epoch = try reader.integer(UInt32.self)
                let piece = Int(try reader.integer(UInt32.self))
                let byteCount = Int(try reader.integer(UInt64.self) & 0xFFFF_FFFF)
                keys[key] = Postings(
                    stored: Postings.Location(
                        generation: generation, epoch: epoch, firstPiece: piece, byteCount: byteCount))
            }
            guard reader.isAtEnd else { throw ByteReader.Malformed() }
        }
    }

    mutating func noteStored(_ blob: PostingBlob, _ key: String, at location: Postings.Location) {
        keys[key]?.noteStored(blob, at: location)
    }
}
