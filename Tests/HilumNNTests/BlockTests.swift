import Foundation
import HilumCore
import Testing

@testable import HilumNN

/// A loss with a known gradient: Σ c·y with fixed random c, so that dL/dy = c.
private struct Probe {
    let layout: ParameterLayout
    let values: ParameterBuffer
    let gradients: ParameterBuffer
    let block: TransformerBlock
    let sequences = Sequences(lengths: [3, 1, 4])
    let width = 8
    var x: [Float]
    let c: [Float]

    init(_ placement: NormPlacement = .pre) throws {
        var layout = ParameterLayout()
        block = TransformerBlock("block", width: width, heads: 2, placement: placement, epsilon: 1e-5, in: &layout)
        self.layout = layout
        values = ParameterBuffer(count: layout.count)
        gradients = ParameterBuffer(count: layout.count)
        var generator = SeededGenerator(seed: 21)
        for i in 0..<values.count { values.pointer[i] = Float(generator.normal() * 0.4) }
        x = (0..<sequences.tokenCount * width).map { _ in Float(generator.normal()) }
        c = (0..<sequences.tokenCount * width).map { _ in Float(generator.normal()) }
    }

    func loss() -> Double {
        let workspace = Workspace()
        var copy = x
        return copy.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            let output = block.forward(values.pointer, base, sequences, workspace).output
            return (0..<c.count).reduce(0) { $0 + Double(output[$1]) * Double(c[$1]) }
        }
    }

    /// Fills `gradients` and returns the gradient of x.
    func backward() -> [Float] {
        let workspace = Workspace()
        gradients.fillZero()
        var copy = x
        var gradient = c
        copy.withUnsafeMutableBufferPointer { x in
            gradient.withUnsafeMutableBufferPointer { gradient in
                guard let x = x.baseAddress, let gradient = gradient.baseAddress else { return }
                let kept = block.forward(values.pointer, x, sequences, workspace).activations
                block.backward(
                    values.pointer, gradients.pointer, kept, sequences, gradient: gradient, workspace)
            }
        }
        return gradient
    }
}

@Test(arguments: NormPlacement.allCases)
func theGradientOfABlockMatchesFiniteDifferencesForEachParameterAndInput(placement: NormPlacement) throws {
    var probe = try Probe(placement)
    let dx = probe.backward()
    let step: Float = 2e-3
    func slope(_ set: (Float) -> Void, _ loss: () -> Double) -> Double {
        set(step)
        let up = loss()
        set(-2 * step)
        let down = loss()
        set(step)
        return (up - down) / Double(2 * step)
    }
    var generator = SeededGenerator(seed: 22)
    for parameter in probe.layout.parameters {
        for _ in 0..<4 {
            let place = parameter.offset + generator.integer(below: parameter.count)
            let measured = slope({ probe.values.pointer[place] += $0 }, { probe.loss() })
            let expected = Double(probe.gradients.pointer[place])
            #expect(
                abs(measured - expected) < 0.02 * (1 + abs(expected)), "\(parameter.name): \(measured), \(expected)")
        }
    }
    for place in 0..<probe.x.count {
        let original = probe.x[place]
        probe.x[place] = original + step
        let up = probe.loss()
        probe.x[place] = original - step
        let down = probe.loss()
        probe.x[place] = original
        let measured = (up - down) / Double(2 * step)
        #expect(abs(measured - Double(dx[place])) < 0.02 * (1 + abs(measured)))
    }
}

@Test(arguments: NormPlacement.allCases)
func aSequenceDoesNotSeeItsNeighbours(placement: NormPlacement) throws {
    var probe = try Probe(placement)
    let run = { (probe: Probe) -> [Float] in
        let workspace = Workspace()
        var copy = probe.x
        return copy.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return [] }
            let output = probe.block.forward(probe.values.pointer, base, probe.sequences, workspace).output
            return Array(UnsafeBufferPointer(start: output, count: probe.x.count))
        }
    }
    let before = run(probe)
    for i in probe.sequences.range(1) { for j in 0..<8 { probe.x[i * 8 + j] += 1 } }
    let after = run(probe)
    for sequence in [0, 2] {
        for token in probe.sequences.range(sequence) {
            for j in 0..<8 { #expect(abs(before[token * 8 + j] - after[token * 8 + j]) <= 1e-6) }
        }
    }
    #expect(before != after)
}

@Test func aPostNormBlockGivesRowsOfMeanZeroWhereItsLastNormHasNoBias() throws {
    let probe = try Probe(.post)
    (probe.values.pointer + probe.block.norm2.bias).update(repeating: 0, count: 8)
    (probe.values.pointer + probe.block.norm2.gain).update(repeating: 1, count: 8)
    let workspace = Workspace()
    var copy = probe.x
    copy.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        let output = probe.block.forward(probe.values.pointer, base, probe.sequences, workspace).output
        for row in 0..<probe.sequences.tokenCount {
            let mean = (0..<8).reduce(Float(0)) { $0 + output[row * 8 + $1] } / 8
            let square = (0..<8).reduce(Float(0)) { $0 + output[row * 8 + $1] * output[row * 8 + $1] } / 8
            #expect(abs(mean) < 1e-5 && abs(square - 1) < 1e-3)
        }
    }
}

@Test func aWorkspaceGivesBackWhatIsReleased() {
    let workspace = Workspace()
    let first = workspace.take(10)
    let mark = workspace.mark
    let second = workspace.take(100)
    workspace.release(to: mark)
    #expect(workspace.take(100) == second)
    // More than a block holds: the pieces before stay where they are.
    first[0] = 7
    _ = workspace.takeZeroed(20_000_000)
    #expect(first[0] == 7)
    workspace.reset()
    let again = workspace.take(10)
    workspace.reset()
    #expect(workspace.take(10) == again)
}

@Test func aWorkspaceCountsWhatIsTakenAndAsksForNothingMoreOnceItHasGrown() {
    let workspace = Workspace()
    func step() {
        _ = workspace.take(3_000_000)
        let mark = workspace.mark
        _ = workspace.take(2_000_000)
        workspace.release(to: mark)
        _ = workspace.take(1_000_000)
        workspace.reset()
    }
    step()
    // 5,000,000 floats at once, each piece rounded up to a cache line.
    #expect(workspace.peakByteCount == 20_000_000)
    step()
    let (count, held) = (workspace.allocationCount, workspace.heldByteCount)
    for _ in 0..<5 { step() }
    #expect(workspace.allocationCount == count && workspace.heldByteCount == held)
    #expect(workspace.peakByteCount == 20_000_000)
}

@Test func theScheduleWarmsUpAndFallsToZero() {
    let schedule = CosineSchedule(peak: 1, stepCount: 100)
    #expect(schedule.rate(at: 0) == 0.2)
    #expect(schedule.rate(at: 4) == 1)
    #expect(schedule.rate(at: 5) == 1)
    #expect((5..<99).allSatisfy { schedule.rate(at: $0) > schedule.rate(at: $0 + 1) })
    #expect(schedule.rate(at: 99) < 0.001)
}

@Test func weightDecayLeavesOutWhatTheLayoutSays() throws {
    var layout = ParameterLayout()
    let decaying = layout.add("weight", [4, 4], .ones, decays: true)
    let constant = layout.add("bias", [4], .ones, decays: false)
    let values = ParameterBuffer(count: layout.count)
    values.initialize(layout, seed: 1)
    let optimiser = AdamW(layout)
    // A gradient of zero: only the decay moves a value.
    optimiser.step(values, gradients: ParameterBuffer(count: layout.count), rate: 0.1, clip: 1, threads: 2)
    #expect(values.pointer[decaying] == 1 - Float(0.1) * Float(0.05))
    #expect(values.pointer[constant] == 1)
}

@Test func clippingBoundsTheGlobalNorm() throws {
    var layout = ParameterLayout()
    _ = layout.add("weight", [3], .zeros, decays: false)
    let gradients = ParameterBuffer(count: layout.count)
    for (i, value) in [Float(3), 4, 12].enumerated() { gradients.pointer[i] = value }
    let values = ParameterBuffer(count: layout.count)
    let optimiser = AdamW(layout)
    #expect(optimiser.step(values, gradients: gradients, rate: 0.1, clip: 1, threads: 1) == 13)
    // After one step the first moment is (1 − β1) of the clipped gradient.
    for (i, value) in [Float(3), 4, 12].enumerated() {
        #expect(abs(optimiser.moment1.pointer[i] - 0.1 * value / 13) < 1e-6)
    }
}
