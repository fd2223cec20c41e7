import LMDB

/// The result of a transaction. The closure of a write may run twice (if the map was full), so it builds a new one each time.
struct CommitBatch {
    var outcomes: [CommitOutcome] = []
    var changes: [CommittedChange] = []
    var nextNumber: UInt32
    var deletions: Int
    /// Changes of cases that keep their number.
    var updates: Int
    /// Rows of the table `changes`.
    var changeRowCount: Int
    /// Cases below this number are in the checkpoint.
    let watermark: UInt32
    /// What the table of words gets, by ascending number.
    var words: [(number: UInt32, words: ReportWords)] = []
    /// Kept images that no case uses any more.
    var unusedImages: [[UInt8]] = []
    /// Floats a vector, by generation; those that are being removed are left out.
    let dimensions: [(UInt32, Int)]
    /// How the vectors of the generation that is searched are written.
    let rule: WriteTransaction.PutRule
    /// Whether images in quarantine were forgotten.
    var hasForgotten = false
    /// The generations, where one lost an image that it lacked.
    private(set) var table: GenerationTable
    private(set) var hasNewTable = false

    /// A case leaves, and with it what generations lack of it.
    mutating func forgetGaps(of entry: CaseEntry, _ number: UInt32) {
        for var record in table.records where number < record.watermark {
            let count = entry.missingCount(in: record.number)
            guard count > 0 else { continue }
            record.missingCount = max(0, record.missingCount - count)
            table.set(record)
            hasNewTable = true
        }
    }

    init(_ counters: Archive.Counters, _ serving: Serving, _ table: GenerationTable) {
        self.table = table
        rule = table.isNewest(serving.generation) ? .appending : .replacing
        var dimensions = serving.dimension.map { [(serving.generation, $0)] } ?? []
        if let beside = table.beside { dimensions.append((beside.number, beside.dimension)) }
        self.dimensions = dimensions
        nextNumber = counters.nextNumber
        deletions = counters.deletions
        updates = counters.updates
        changeRowCount = counters.changeRowCount
        watermark = counters.watermark
    }
}
