import HilumArchive
import HilumCore

/// Says what a folder holds that no case was made of, by kinds, the most frequent first: on standard error, as these verbs print figures.
///
/// - Parameter others: what the verb left out by itself.
func showPassedOver(_ passedOver: PassedOver, _ others: [(reason: String, count: Int)] = []) {
    let counts = passedOver.sorted + others.filter { $0.count > 0 }
    for (reason, count) in counts { standardError("passed over: \(shown(reason)): \(count)\n") }
    for file in passedOver.lost { standardError("\(shown(file.place)): \(shown(file.reason))\n") }
    for path in passedOver.brokenRecords { standardError("\(shown(path)): record that cannot be read\n") }
    for folder in passedOver.unreadable { standardError("\(shown(folder)): the folder cannot be read\n") }
}

/// Cases of which one half is missing, where a verb needs pairs.
func halfCases(_ cases: [CaseInput]) -> [(reason: String, count: Int)] {
    let withoutReport = cases.count { ($0.report ?? "").isEmpty }
    return [("case without an image", cases.count { $0.image == nil }), ("case without a report", withoutReport)]
}
