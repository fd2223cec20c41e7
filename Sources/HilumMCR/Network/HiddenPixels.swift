import HilumNN

/// Fills the hidden patches of a picture from what is visible around them.
///
/// A stem looks beyond a patch's own pixels. Were hidden patches one flat grey, their edges would be the strongest thing in the
/// picture, and the features of visible patches would describe those edges. The fill is the smoothest there is between the visible
/// pixels (Laplace's equation on cells of a quarter of a patch, then bilinear), so it holds nothing that the visible pixels do not.
enum HiddenPixels {
    /// Cells of a row of a patch.
    private static let cellsPerPatch = 4
    /// Rounds of relaxation after the pyramid, which is near already.
    private static let rounds = 24
    /// Gauss–Seidel steps go beyond the mean of the neighbours by this factor.
    private static let overrelaxation: Float = 1.6

    /// - Parameters:
    ///   - image: `[side, side]`; hidden pixels are written, visible ones read.
    ///   - gridSide: patches of a row.
    ///   - patchSide: pixels of a row of a patch, a multiple of 4.
    ///   - kept: the visible patches, ascending; with none or all of them nothing is done.
    static func fill(
        _ image: FloatPointer, gridSide: Int, patchSide: Int, kept: [Int32], _ workspace: Workspace
    ) {
        guard !kept.isEmpty, kept.count < gridSide * gridSide else { return }
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let side = gridSide * cellsPerPatch
        var isVisible = [Bool](repeating: false, count: gridSide * gridSide)
        for patch in kept { isVisible[Int(patch)] = true }
        let cells = workspace.takeZeroed(side * side)
        let weights = workspace.takeZeroed(side * side)
        average(image, gridSide: gridSide, patchSide: patchSide, isVisible, into: cells, weights)
        spread(cells, weights, side: side, workspace)
        relax(cells, side: side, gridSide: gridSide, isVisible)
        draw(cells, side: side, gridSide: gridSide, patchSide: patchSide, isVisible, into: image)
    }

    /// The mean of each visible cell, and 1 as its weight.
    private static func average(
        _ image: FloatPointer, gridSide: Int, patchSide: Int, _ isVisible: [Bool], into cells: FloatPointer,
        _ weights: FloatPointer
    ) {
        let (side, cellSide) = (gridSide * cellsPerPatch, patchSide / cellsPerPatch)
        for y in 0..<side {
            for x in 0..<side where isVisible[y / cellsPerPatch * gridSide + x / cellsPerPatch] {
                var sum: Float = 0
                for row in 0..<cellSide {
                    let source = image + (y * cellSide + row) * side * cellSide + x * cellSide
                    for column in 0..<cellSide { sum += source[column] }
                }
                cells[y * side + x] = sum / Float(cellSide * cellSide)
                weights[y * side + x] = 1
            }
        }
    }

    /// Gives each cell without a weight the mean of the smallest square of 2ⁿ × 2ⁿ cells around it that has one.
    private static func spread(_ cells: FloatPointer, _ weights: FloatPointer, side: Int, _ workspace: Workspace) {
        guard side > 1 else { return }
        let half = (side + 1) / 2
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let coarse = workspace.takeZeroed(half * half)
        let coarseWeights = workspace.takeZeroed(half * half)
        for y in 0..<side {
            for x in 0..<side {
                let (cell, target) = (y * side + x, y / 2 * half + x / 2)
                coarse[target] += cells[cell] * weights[cell]
                coarseWeights[target] += weights[cell]
            }
        }
        for cell in 0..<(half * half) where coarseWeights[cell] > 0 {
            coarse[cell] /= coarseWeights[cell]
            coarseWeights[cell] = 1
        }
        spread(coarse, coarseWeights, side: half, workspace)
        for y in 0..<side {
            for x in 0..<side where weights[y * side + x] == 0 {
                cells[y * side + x] = coarse[y / 2 * half + x / 2]
            }
        }
    }

    /// Brings each hidden cell to the mean of its neighbours.
    private static func relax(_ cells: FloatPointer, side: Int, gridSide: Int, _ isVisible: [Bool]) {
        for _ in 0..<rounds {
            for y in 0..<side {
                for x in 0..<side where !isVisible[y / cellsPerPatch * gridSide + x / cellsPerPatch] {
                    let cell = y * side + x
                    let left = cells[x > 0 ? cell - 1 : cell]
                    let right = cells[x + 1 < side ? cell + 1 : cell]
                    let above = cells[y > 0 ? cell - side : cell]
                    let below = cells[y + 1 < side ? cell + side : cell]
                    let mean = (left + right + above + below) * 0.25
                    cells[cell] += overrelaxation * (mean - cells[cell])
                }
            }
        }
    }

    /// Writes the hidden pixels, bilinear between the centres of cells.
    private static func draw(
        _ cells: FloatPointer, side: Int, gridSide: Int, patchSide: Int, _ isVisible: [Bool], into image: FloatPointer
    ) {
        let (pixelSide, scale) = (gridSide * patchSide, Float(cellsPerPatch) / Float(patchSide))
        func place(_ pixel: Int) -> (first: Int, second: Int, share: Float) {
            let position = max((Float(pixel) + 0.5) * scale - 0.5, 0)
            let first = min(Int(position), side - 1)
            return (first, min(first + 1, side - 1), position - Float(first))
        }
        let columns = (0..<pixelSide).map(place)
        for y in 0..<pixelSide {
            let row = columns[y]
            let (top, bottom) = (cells + row.first * side, cells + row.second * side)
            for patch in 0..<gridSide where !isVisible[y / patchSide * gridSide + patch] {
                for x in (patch * patchSide)..<((patch + 1) * patchSide) {
                    let column = columns[x]
                    let above = top[column.first] + column.share * (top[column.second] - top[column.first])
                    let below = bottom[column.first] + column.share * (bottom[column.second] - bottom[column.first])
                    image[y * pixelSide + x] = above + row.share * (below - above)
                }
            }
        }
    }
}
