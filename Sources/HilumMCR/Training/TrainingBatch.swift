/// One batch: what a step reads. Pixels stay in the set as 16-bit numbers until a worker asks for them.
struct TrainingBatch: Sendable {
    let set: TrainingSet
    /// Position of each pair in the training set; keys the masks.
    let samples: [Int]
    let reports: [TokenizedReport]
    let hashes: [UInt64]
    /// Labels that weigh in the targets of the contrast, if any.
    let labels: SoftLabels?
}
