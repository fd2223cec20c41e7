/// The pairs of a training set by patient, and how a private step draws from them.
///
///     patients ─ shuffled at each step ─► groups of g ─ each with probability q ─► one pair of each patient
///
/// A patient stands in one group of a step, with one pair, so one patient touches one group's gradient. A group that is not full is
/// not used: where this patient's group stays empty, one gradient is missing in the sum and no other changes. Left out altogether,
/// a patient that was left over may take the place, and then that gradient is another one.
struct PatientGroups: Sendable {
    /// The pairs of each patient.
    let pairs: [[Int]]
    /// Patients of a group.
    let size: Int

    /// - Parameter patients: whose each pair is, as numbers from 0.
    init(patients: [Int], size: Int) {
        precondition(size > 1, "contrast needs at least two pairs")
        var pairs = [[Int]](repeating: [], count: (patients.max() ?? -1) + 1)
        for (pair, patient) in patients.enumerated() { pairs[patient].append(pair) }
        self.pairs = pairs.filter { !$0.isEmpty }
        self.size = size
    }

    /// Full groups of a step.
    var groupCount: Int { pairs.count / size }

    /// The groups of one step.
    func draw(rate: Double, using source: inout NoiseSource) -> [[Int]] {
        var order = Array(pairs.indices)
        order.shuffle(using: &source)
        return (0..<groupCount).compactMap { group in
            guard source.uniform() < rate else { return nil }
            return order[(group * size)..<((group + 1) * size)].compactMap { pairs[$0].randomElement(using: &source) }
        }
    }
}
