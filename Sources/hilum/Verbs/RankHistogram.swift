import HilumImaging

/// How many queries have which rank, in bins of doubled width: 1, 2 to 3, 4 to 7, …
struct RankHistogram {
    /// The first rank of each bin, and the share of queries in it.
    private(set) var bins: [(first: Double, share: Double)] = []

    /// - Parameters:
    ///   - ranks: from 1; halves of tied ranks count as the whole below them.
    ///   - count: of the gallery.
    init(_ ranks: [Double], count: Int) {
        var first = 1.0
        while first <= Double(max(1, count)) {
            let inside = ranks.count { $0 >= first && $0 < 2 * first }
            bins.append((first, ranks.isEmpty ? 0 : Double(inside) / Double(ranks.count)))
            first *= 2
        }
    }

    /// The bins as steps, in per cent.
    func series(_ name: String) -> LinePlot.Series {
        var points: [(x: Double, y: Double)] = []
        for bin in bins { points += [(bin.first, 100 * bin.share), (2 * bin.first, 100 * bin.share)] }
        return LinePlot.Series(name, points: points, hasDots: false)
    }
}
