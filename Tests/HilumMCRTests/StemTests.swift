import Foundation
import HilumCore
import HilumNN
import Testing

@testable import HilumMCR

/// The stem that comes with the program against PyTorch in float64; `tools/convert-stem` makes both files.
///
///     grey [2, 64, 64], features [2, 4, 4, 112]   images and their features
///     after5 [1, 4, 4, 40]                        after the first five blocks, of the first image
///     large.sample, large.sums                    every 37th feature of the first image repeated to 224 × 224; Σx and Σx²
@Suite struct StemTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let weights =
        folder.appendingPathComponent("../../Sources/HilumMCR/Resources/stem-efficientnet-lite0/weights.safetensors")
        .path

    private let stem: ConvolutionalStem
    private let goldens: SafeTensors
    private let workspace = Workspace()

    init() throws {
        stem = try ConvolutionalStem.efficientNetLite0(path: Self.weights)
        goldens = try SafeTensors.read(Self.folder.appendingPathComponent("Goldens/stem.safetensors").path)
    }

    private func golden(_ name: String) throws -> [Float] { try #require(goldens.tensors[name]).floats }

    private func features(_ images: [Float], side: Int, blocks: Int = 11) -> [Float] {
        let count = images.count / (side * side)
        let outputSide = stem.side(after: blocks, of: side)
        var output = [Float](repeating: .nan, count: count * outputSide * outputSide * stem.channels(after: blocks))
        stem.run(0..<blocks, on: images, count: count, side: side, into: &output, workspace)
        return output
    }

    /// The largest difference, in deviations of the expected values.
    private func difference(_ measured: [Float], _ expected: [Float]) -> Double {
        guard measured.count == expected.count, !expected.isEmpty else { return .infinity }
        var (sum, squares, worst) = (0.0, 0.0, 0.0)
        for (x, y) in zip(measured, expected) {
            let value = Double(y)
            sum += value
            squares += value * value
            worst = max(worst, abs(Double(x) - value))
        }
        let mean = sum / Double(expected.count)
        return worst / (squares / Double(expected.count) - mean * mean).squareRoot()
    }

    @Test func featuresMatchPyTorch() throws {
        let grey = try golden("grey")
        #expect(try difference(features(grey, side: 64), golden("features")) < 1e-4)
        #expect(try difference(features(Array(grey[..<4_096]), side: 64, blocks: 5), golden("after5")) < 1e-4)
    }

    @Test func featuresOfALargeImageMatchPyTorch() throws {
        let grey = try golden("grey")
        var large: [Float] = []
        for y in 0..<224 {
            for x in 0..<224 { large.append(grey[y % 64 * 64 + x % 64]) }
        }
        let measured = features(large, side: 224)
        #expect(measured.count == 14 * 14 * 112)
        let sample = stride(from: 0, to: measured.count, by: 37).map { measured[$0] }
        #expect(try difference(sample, golden("large.sample")) < 1e-4)
        let sums = try golden("large.sums").map { Double($0) }
        var (sum, squares) = (0.0, 0.0)
        for value in measured {
            sum += Double(value)
            squares += Double(value) * Double(value)
        }
        #expect(abs(sum - sums[0]) < 1e-4 * sums[1].squareRoot())
        #expect(abs(squares - sums[1]) < 1e-4 * sums[1])
    }

    @Test func anImageHasTheSameBitsAloneAndInABatch() throws {
        let grey = try golden("grey")
        let both = features(grey, side: 64)
        #expect(features(Array(grey[4_096...]), side: 64) == Array(both[(both.count / 2)...]))
        // Whatever stood in the workspace before.
        #expect(features(grey, side: 64) == both)
    }

    @Test(arguments: [1, 4, 5, 8, 10]) func theFeaturesOfPartsAreThoseOfTheWhole(cut: Int) throws {
        let grey = try golden("grey")
        let whole = features(grey, side: 64)
        var rest = [Float](repeating: .nan, count: whole.count)
        stem.run(
            cut..<11, on: features(grey, side: 64, blocks: cut), count: 2, side: 64, into: &rest, workspace)
        #expect(rest == whole)
    }

    @Test(arguments: [16, 48, 80, 112]) func anySideThatIsAMultipleOf16GivesFiniteFeatures(side: Int) throws {
        let grey = try golden("grey")
        let image = (0..<side * side).map { grey[$0 % 4_096] }
        let measured = features(image, side: side)
        #expect(measured.count == side / 16 * (side / 16) * 112)
        #expect(measured.allSatisfy { $0.isFinite })
    }

    @Test func aWorkspaceIsUsedAgain() throws {
        let grey = try golden("grey")
        _ = features(grey, side: 64)
        workspace.reset()
        let held = workspace.peakByteCount
        _ = features(grey, side: 64)
        #expect(workspace.peakByteCount == held)
    }

    @Test func aFileThatLacksATensorIsRefusedByItsName() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("stem-\(UUID()).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let bytes = try SafeTensors(tensors: ["stem.first.weight": TensorView(shape: [3], floats: [1, 2, 3])]).encoded(
            as: .f32)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        #expect { try ConvolutionalStem.efficientNetLite0(path: path) } throws: {
            "\($0)".contains("stem.first.weight")
        }
    }
}
