/// One document in the list of a term and an assertion: how often the term stands in each section.
struct Posting: Equatable {
    var document: UInt32
    var impressionCount: Int
    var findingsCount: Int
    var otherCount: Int

    var count: Int { impressionCount + findingsCount + otherCount }

    func count(in section: Int) -> Int {
        switch section {
        case 0: impressionCount
        case 1: findingsCount
        default: otherCount
        }
    }
}

/// How a posting is coded: `delta << 3 | code`, where the code says what follows.
///
/// | code | meaning | follows |
/// | --- | --- | --- |
/// | 0, 1, 2 | once, in the impression, the findings, elsewhere | nothing |
/// | 3, 4, 5 | several times, all in the impression, the findings, elsewhere | count − 2 |
/// | 6 | in more than one section | the three counts |
///
/// The positions of a posting come section by section: the first of each section as it is, then the differences.
enum PostingCode {
    static let several = 3
    static let mixed = 6
    /// Occurrences in a document that can be counted, so that damaged bytes cannot overflow a sum.
    static let countLimit = 1 << 24

    static func append(_ posting: Posting, delta: Int, to bytes: inout [UInt8]) {
        let total = posting.count
        for section in 0..<WordSection.count where posting.count(in: section) == total {
            if total == 1 { return bytes.appendVarint(delta << 3 | section) }
            bytes.appendVarint(delta << 3 | (several + section))
            return bytes.appendVarint(total - 2)
        }
        bytes.appendVarint(delta << 3 | mixed)
        for section in 0..<WordSection.count { bytes.appendVarint(posting.count(in: section)) }
    }
}
