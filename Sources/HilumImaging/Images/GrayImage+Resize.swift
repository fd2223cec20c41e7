extension GrayImage {
    /// The image fitted into a square of `side` pixels and padded with black. It keeps its aspect ratio, is centred, and is
    /// never flipped or rotated.
    ///
    /// The longer side becomes `side`, the shorter is rounded to whole pixels (at least 1). If the padding is odd, the extra
    /// pixel lies to the right of the image or below it. Uses area averaging like `resized(width:height:)`.
    /// - Complexity: O(width · height + side²).
    public func resizedToFit(side: Int) -> GrayImage {
        let place = FittedPlace(width: width, height: height, side: side)
        return place.padded(resized(width: place.width, height: place.height))
    }

    /// The image at another size by exact area averaging.
    ///
    /// Each pixel counts as a small square of one value. A new pixel is the mean over its own area, including exact
    /// fractions of the pixels at its edges. This also holds for enlarging, where pixels become squares with soft edges.
    /// All sums are integers with a single rounding at the end, so every machine computes the same samples, and a constant
    /// image stays constant.
    /// - Complexity: O(width · height) for a smaller image.
    public func resized(width newWidth: Int, height newHeight: Int) -> GrayImage {
        precondition(newWidth > 0 && newHeight > 0, "an image has at least one pixel")
        precondition(width <= 65_536 && height <= 65_536, "the sums of a longer side do not fit")
        if newWidth == width && newHeight == height { return self }
        let columns = AreaSpan.all(from: width, to: newWidth)
        let area = UInt64(width) * UInt64(height)
        var result = [UInt16](repeating: 0, count: newWidth * newHeight)
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: width) { sums in
            samples.withUnsafeBufferPointer { source in
                result.withUnsafeMutableBufferPointer { target in
                    for (y, span) in AreaSpan.all(from: height, to: newHeight).enumerated() {
                        Self.sumRows(source, width: width, span, into: sums)
                        guard let sums = sums.baseAddress else { continue }
                        for (x, column) in columns.enumerated() {
                            let total = column.sum(of: sums)
                            target[y * newWidth + x] = UInt16((total + area / 2) / area)
                        }
                    }
                }
            }
        }
        return GrayImage(width: newWidth, height: newHeight, samples: result)
    }

    /// Weighted column sums over the rows of one span. A sum is at most height · 65,535, which fits 32 bits.
    private static func sumRows(
        _ source: UnsafeBufferPointer<UInt16>, width: Int, _ span: AreaSpan,
        into sums: UnsafeMutableBufferPointer<UInt32>
    ) {
        // Safety: the span's rows lie inside the image, `sums` holds `width` values.
        guard let base = source.baseAddress, let sums = sums.baseAddress else { return }
        let first = base + span.first * width
        for x in 0..<width { sums[x] = span.firstWeight &* UInt32(first[x]) }
        guard span.last > span.first else { return }
        for y in (span.first + 1)..<span.last {
            let row = base + y * width
            for x in 0..<width { sums[x] &+= span.innerWeight &* UInt32(row[x]) }
        }
        let last = base + span.last * width
        for x in 0..<width { sums[x] &+= span.lastWeight &* UInt32(last[x]) }
    }
}

/// The size of an image after it was fitted into a square.
struct FittedPlace {
    let side: Int
    let width: Int
    let height: Int

    init(width: Int, height: Int, side: Int) {
        precondition(side > 0, "the side must be positive")
        let longer = max(width, height)
        self.side = side
        self.width = max(1, (width * side + longer / 2) / longer)
        self.height = max(1, (height * side + longer / 2) / longer)
    }

    /// The part of a padded square that is not padding.
    func content(of square: GrayImage) -> GrayImage {
        square.cropped(to: PixelRect(x: (side - width) / 2, y: (side - height) / 2, width: width, height: height))
    }

    /// The square with `fitted` centred on black.
    func padded(_ fitted: GrayImage) -> GrayImage {
        if width == side && height == side { return fitted }
        var square = [UInt16](repeating: 0, count: side * side)
        let left = (side - width) / 2
        let top = (side - height) / 2
        for y in 0..<height {
            let target = (top + y) * side + left
            square.replaceSubrange(target..<(target + width), with: fitted.samples[(y * width)..<((y + 1) * width)])
        }
        return GrayImage(width: side, height: side, samples: square)
    }
}

/// The old pixels along one axis that a new pixel covers, each with its weight.
///
/// Weights are in units of 1 / (new length) of an old pixel. The weights of a span add up to the old length.
struct AreaSpan {
    let first: Int
    let last: Int
    let firstWeight: UInt32
    let innerWeight: UInt32
    let lastWeight: UInt32

    static func all(from old: Int, to new: Int) -> [AreaSpan] {
        (0..<new).map { index in
            // With an old pixel `new` units long, the new pixel covers start ..< end.
            let start = index * old
            let end = start + old
            let first = start / new
            let last = (end - 1) / new
            let firstEnd = min(end, (first + 1) * new)
            return AreaSpan(
                first: first, last: last, firstWeight: UInt32(firstEnd - start), innerWeight: UInt32(new),
                lastWeight: last > first ? UInt32(end - last * new) : 0)
        }
    }

    @inline(__always)
    func sum(of values: UnsafeMutablePointer<UInt32>) -> UInt64 {
        var total = UInt64(firstWeight) * UInt64(values[first])
        guard last > first else { return total }
        var inner: UInt64 = 0
        for index in (first + 1)..<last { inner += UInt64(values[index]) }
        total += inner * UInt64(innerWeight)
        return total + UInt64(lastWeight) * UInt64(values[last])
    }
}
