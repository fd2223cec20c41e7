/// Computes `resizedToFit(side:)` from rows that arrive one by one, bit for bit.
///
/// A new row is the weighted sum of the old rows it covers. Inner rows all have the same weight, so they are added first and
/// weighted once. The sums are those of `resized(width:height:)` in another order; integers make them exact.
/// Thread rule: one owner at a time.
final class AreaFitter {
    private let place: FittedPlace
    private let columns: [AreaSpan]
    private let rows: [AreaSpan]
    private let width: Int
    private let area: UInt64
    private var fitted: [UInt16]
    /// The next old row, and the new row that it contributes to.
    private var oldRow = 0
    private var newRow = 0
    /// Column sums of the new row, and of its inner rows before weighting; both fit 32 bits as in `resized`.
    private let sums: UnsafeMutablePointer<UInt32>
    private let inner: UnsafeMutablePointer<UInt32>

    init(width: Int, height: Int, side: Int) {
        precondition(width <= 65_536 && height <= 65_536, "the sums of a longer side do not fit")
        place = FittedPlace(width: width, height: height, side: side)
        self.width = width
        area = UInt64(width) * UInt64(height)
        columns = AreaSpan.all(from: width, to: place.width)
        rows = AreaSpan.all(from: height, to: place.height)
        fitted = [UInt16](repeating: 0, count: place.width * place.height)
        sums = .allocate(capacity: width)
        inner = .allocate(capacity: width)
        sums.initialize(repeating: 0, count: width)
        inner.initialize(repeating: 0, count: width)
    }

    deinit {
        sums.deallocate()
        inner.deallocate()
    }

    /// Takes the next row. Each sample is multiplied by `scale` and must then be at most 65,535.
    @inline(__always)
    func take<Sample: FixedWidthInteger & UnsignedInteger>(_ row: UnsafeBufferPointer<Sample>, scale: UInt64) {
        precondition(row.count == width && newRow < rows.count, "the picture has as many rows and columns as it said")
        // Safety: the row holds `width` samples, as `sums` and `inner` do.
        guard let row = row.baseAddress else { return }
        let (sums, inner, width) = (sums, inner, width)
        // When enlarging, one old row contributes to several new ones.
        while newRow < rows.count {
            let span = rows[newRow]
            if oldRow == span.first {
                for x in 0..<width { sums[x] = span.firstWeight &* UInt32(truncatingIfNeeded: row[x]) }
                if span.last > span.first + 1 { inner.update(repeating: 0, count: width) }
            } else if oldRow < span.last {
                for x in 0..<width { inner[x] &+= UInt32(truncatingIfNeeded: row[x]) }
            } else {
                for x in 0..<width { sums[x] &+= span.lastWeight &* UInt32(truncatingIfNeeded: row[x]) }
                if span.last > span.first + 1 {
                    for x in 0..<width { sums[x] &+= span.innerWeight &* inner[x] }
                }
            }
            guard oldRow == span.last else { break }
            emit(scale)
            guard newRow < rows.count, rows[newRow].first == oldRow else { break }
        }
        oldRow += 1
    }

    private func emit(_ scale: UInt64) {
        let (start, area, sums) = (newRow * place.width, area, sums)
        fitted.withUnsafeMutableBufferPointer { fitted in
            for (x, column) in columns.enumerated() {
                fitted[start + x] = UInt16((column.sum(of: sums) * scale + area / 2) / area)
            }
        }
        newRow += 1
    }

    /// The padded square. All rows must have been taken.
    func finish() -> GrayImage {
        precondition(newRow == rows.count, "all rows are taken first")
        return place.padded(GrayImage(width: place.width, height: place.height, samples: fitted))
    }
}
