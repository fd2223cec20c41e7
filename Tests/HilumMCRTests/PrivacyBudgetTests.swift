import Foundation
import HilumCore
import HilumNN
import Testing

@testable import HilumMCR

/// What Opacus says; `tools/reference/export-privacy Tests/HilumMCRTests/Goldens/privacy.json` writes the file.
private struct PrivacyGoldens {
    struct Step {
        let steps: NoisySteps
    }

    struct Run {
        let steps: [NoisySteps]
        let delta: Double
        let epsilon: Double
    }

    struct Target {
        let epsilon: Double
        let delta: Double
        let rate: Double
        let count: Int
        let noise: Double
    }

    let runs: [Run]
    let targets: [Target]

    init() throws {
        let bytes = try FileIO.read(Goldens.folder + "/privacy.json")
        let json = try JSON(parsing: bytes[...])
        runs = try json.member("runs")
        targets = try json.member("targets")
    }
}

extension PrivacyGoldens.Run: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        let steps: [PrivacyGoldens.Step] = try json.member("steps")
        self.init(
            steps: steps.map(\.steps), delta: try json.member("delta"), epsilon: try json.member("epsilon"))
    }
}

extension PrivacyGoldens.Step: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        steps = NoisySteps(
            samplingRate: try json.member("rate"), noise: try json.member("noise"), count: try json.member("count"))
    }
}

extension PrivacyGoldens.Target: JSONReadable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            epsilon: try json.member("epsilon"), delta: try json.member("delta"), rate: try json.member("rate"),
            count: try json.member("count"), noise: try json.member("noise"))
    }
}

@Suite("Privacy of updates")
struct PrivacyBudgetTests {
    private static let sizes = MCRConfiguration(
        name: "test", imageSide: 48, patchSide: 8, image: .init(width: 48, layers: 2, heads: 2),
        report: .init(width: 48, layers: 2, heads: 2), maxTokens: 96, vocabularySize: 300, mapHidden: 64, dimension: 32,
        decoder: .init(width: 32, layers: 1, heads: 2))

    private func gradient(
        patients: Int = 12, noise: Double, clip: Double, parts: FederationSettings.Parts = .all, seed: UInt64 = 3
    ) -> (MCRNetwork, PrivateGradient) {
        let network = MCRNetwork(Self.sizes)
        let groups = PatientGroups(patients: Array(0..<patients), size: 4)
        return (
            network,
            PrivateGradient(
                groups, batchSize: patients, noise: noise, clip: clip, network: network, parts: parts,
                source: NoiseSource(seed: seed))
        )
    }

    private func length(_ buffer: ParameterBuffer) -> Double {
        NetworkKernels.sumOfSquares(buffer.pointer, buffer.count).squareRoot()
    }

    // MARK: Accountant

    @Test("Epsilon is that of Opacus")
    func epsilonAgrees() throws {
        let goldens = try PrivacyGoldens()
        #expect(goldens.runs.count > 15)
        for run in goldens.runs {
            let epsilon = PrivacyAccountant.epsilon(of: run.steps, delta: run.delta)
            #expect(abs(epsilon / run.epsilon - 1) < 1e-3, "\(run.steps) at \(run.delta): \(epsilon), \(run.epsilon)")
        }
    }

    @Test("The noise for a budget is that of Opacus, and never too little")
    func noiseAgrees() throws {
        let goldens = try PrivacyGoldens()
        #expect(goldens.targets.count > 3)
        for target in goldens.targets {
            let noise = try #require(
                PrivacyAccountant.noise(
                    for: target.count, samplingRate: target.rate, after: [], epsilon: target.epsilon,
                    delta: target.delta))
            #expect(abs(noise / target.noise - 1) < 1e-3, "\(target): \(noise)")
            let steps = NoisySteps(samplingRate: target.rate, noise: noise, count: target.count)
            #expect(PrivacyAccountant.epsilon(of: [steps], delta: target.delta) <= target.epsilon)
        }
    }

    @Test("No step tells nothing, a step without noise everything, and more noise less")
    func endsOfEpsilon() {
        #expect(PrivacyAccountant.epsilon(of: [], delta: 1e-5) == 0)
        let bare = NoisySteps(samplingRate: 0.1, noise: 0, count: 1)
        #expect(PrivacyAccountant.epsilon(of: [bare], delta: 1e-5) == .infinity)
        let spent = [0.5, 1, 2, 4, 8].map {
            PrivacyAccountant.epsilon(of: [NoisySteps(samplingRate: 0.2, noise: $0, count: 50)], delta: 1e-5)
        }
        #expect(spent == spent.sorted(by: >), "\(spent)")
        #expect(spent.allSatisfy { $0 > 0 })
        let before = [NoisySteps(samplingRate: 0.5, noise: 1, count: 100)]
        #expect(PrivacyAccountant.noise(for: 10, samplingRate: 0.1, after: before, epsilon: 1, delta: 1e-5) == nil)
    }

    @Test("Left out altogether costs more than an empty place, and the same where a group is one patient")
    func leftOutCostsMore() {
        for (rate, noise, count) in [(0.221, 1.012, 4), (0.276, 1.37, 64), (1, 5.31, 16)] {
            let steps = [NoisySteps(samplingRate: rate, noise: noise, count: count)]
            let empty = PrivacyAccountant.epsilon(of: steps, delta: 1e-4)
            #expect(PrivacyAccountant.leftOutEpsilon(of: steps, groupSize: 8, delta: 1e-4) > 1.5 * empty)
            #expect(PrivacyAccountant.leftOutEpsilon(of: steps, groupSize: 1, delta: 1e-4) == empty)
        }
    }

    @Test("The accountant's numbers of Benchmarks/federated")
    func benchmarkArms() throws {
        // From the seed 16 of 58 groups in each of 48 steps are taken, from a start all groups in 16 steps.
        let arms = [
            (16.0 / 58, 48, 8.0, 1.37, 26.2), (16.0 / 58, 48, 3.0, 2.78, 7.9), (1.0, 16, 8.0, 2.33, 19.4),
            (1.0, 16, 3.0, 5.31, 6.8),
        ]
        for (rate, count, epsilon, noise, leftOut) in arms {
            let least = try #require(
                PrivacyAccountant.noise(for: count, samplingRate: rate, after: [], epsilon: epsilon, delta: 1e-4))
            #expect(abs(least - noise) < 0.01)
            let steps = [NoisySteps(samplingRate: rate, noise: least, count: count)]
            #expect(abs(PrivacyAccountant.leftOutEpsilon(of: steps, groupSize: 4, delta: 1e-4) - leftOut) < 0.06)
        }
    }

    @Test(
        "Half the noise bounds a group whose gradient turns round, by numerical integration",
        arguments: [0.1, 0.276, 0.6])
    func leftOutBoundsAnExchange(rate: Double) {
        for noise in [0.8, 1.37, 3] {
            func density(_ x: Double, _ mean: Double) -> Double {
                exp(-(x - mean) * (x - mean) / (2 * noise * noise)) / (noise * (2 * Double.pi).squareRoot())
            }
            for order in [1.5, 2, 4, 8] {
                var moment = 0.0
                for index in -6_000...6_000 {
                    let x = Double(index) * 0.005 * noise
                    let p = (1 - rate) * density(x, 0) + rate * density(x, 1)
                    let q = (1 - rate) * density(x, 0) + rate * density(x, -1)
                    moment += exp(order * log(p) + (1 - order) * log(q)) * 0.005 * noise
                }
                let exchanged = log(moment) / (order - 1)
                let bound = PrivacyAccountant.divergence(order, samplingRate: rate, noise: noise / 2)
                #expect(exchanged > PrivacyAccountant.divergence(order, samplingRate: rate, noise: noise))
                #expect(exchanged < bound, "order \(order), noise \(noise)")
            }
        }
    }

    @Test("log erfc goes on where erfc ends")
    func logErfcIsSmooth() {
        for x in [0.5, 5, 19.9] { #expect(PrivacyAccountant.logErfc(x) == log(erfc(x))) }
        for x in [20.0, 22, 25] { #expect(abs(PrivacyAccountant.logErfc(x) / log(erfc(x)) - 1) < 1e-9) }
        #expect(PrivacyAccountant.logErfc(100) < -9_999)
    }

    // MARK: Groups

    @Test("A patient stands in one group of a step, with one pair, and groups are full")
    func groupsAreDisjoint() {
        // Twenty pairs of eleven patients.
        let patients = (0..<20).map { $0 % 11 }
        let groups = PatientGroups(patients: patients, size: 4)
        #expect(groups.groupCount == 2)
        var source = NoiseSource(seed: 1)
        var seen: Set<Int> = []
        for _ in 0..<200 {
            let drawn = groups.draw(rate: 1, using: &source)
            #expect(drawn.count == 2)
            #expect(drawn.allSatisfy { $0.count == 4 })
            let met = drawn.joined().map { patients[$0] }
            #expect(Set(met).count == met.count, "a patient twice: \(met)")
            seen.formUnion(drawn.joined())
        }
        #expect(seen.count == 20, "every pair has its turn")
    }

    @Test("Groups are taken as often as the accountant is told, each by itself")
    func samplingIsPoisson() {
        let groups = PatientGroups(patients: Array(0..<400), size: 8)
        let rate = PrivateGradient.samplingRate(groups, batchSize: 100)
        #expect(rate == 0.25)
        var source = NoiseSource(seed: 5)
        let counts = (0..<4_000).map { _ in Double(groups.draw(rate: rate, using: &source).count) }
        let mean = counts.reduce(0, +) / 4_000
        let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4_000
        // Binomial of 50 groups: mean 12.5 ± 0.048, variance 9.375 ± 0.21; five deviations.
        #expect(abs(mean - 12.5) < 0.25, "\(mean)")
        #expect(abs(variance - 9.375) < 1.1, "\(variance)")
        #expect(PrivateGradient.samplingRate(groups, batchSize: 4_000) == 1)
        #expect(PrivateGradient.samplingRate(groups, batchSize: 2) == 0.02, "a group a step at the least")
    }

    // MARK: Gradient

    @Test("No group brings more than the bound, and a short gradient comes as it is", arguments: [0.01, 0.5, 30, 1e6])
    func contributionsAreBounded(scale: Double) {
        let (network, gradient) = gradient(patients: 4, noise: 0, clip: 0.75)
        let raw = ParameterBuffer(count: network.layout.count)
        var generator = SeededGenerator(seed: 9)
        for index in 0..<raw.count { raw.pointer[index] = Float(generator.normal()) }
        let unit = length(raw)
        for index in 0..<raw.count { raw.pointer[index] *= Float(scale / unit) }
        // One group, which is always taken: the sum is what it brings.
        let sum = gradient.next { samples in
            #expect(samples.count == 4)
            return raw
        }
        #expect(gradient.longest <= 0.75)
        let brought = network.layout.parameters.reduce(0.0) {
            $0 + NetworkKernels.sumOfSquares(sum.pointer + $1.offset, $1.count)
        }
        #expect(brought.squareRoot() <= 0.75, "\(brought.squareRoot())")
        #expect(abs(brought.squareRoot() - min(scale, 0.75)) < 0.003 * min(scale, 0.75))
    }

    @Test(
        "A patient who is left out may be followed by another: the sum changes by more than the bound, never by more than twice"
    )
    func leftOutPatientIsReplaced() throws {
        // Thirteen patients are three groups of four and one who is left over; so are twelve and none.
        let (network, whole) = gradient(patients: 13, noise: 0, clip: 1)
        let (_, less) = gradient(patients: 12, noise: 0, clip: 1)
        #expect(whole.groups.groupCount == less.groups.groupCount)
        #expect(whole.samplingRate == 1 && less.samplingRate == 1)
        let place = try #require(network.layout.parameters.first { FederationSettings.Parts.all.trains($0.name) })
            .offset
        let raw = ParameterBuffer(count: network.layout.count)
        /// Three times the mean of the groups; that of patient 12 pulls the other way.
        func sum(_ gradient: PrivateGradient) -> Double {
            3
                * Double(
                    gradient.next { samples in
                        raw.pointer[place] = samples.contains(12) ? 5 : -5
                        return raw
                    }.pointer[place])
        }
        let changes = (0..<40).map { _ in sum(whole) - sum(less) }
        #expect(changes.allSatisfy { abs($0) < 1e-4 || abs($0 - 2) < 1e-4 }, "\(changes)")
        #expect(changes.contains { $0 > 1.99 }, "the patient is left over in one step of thirteen")
    }

    @Test("A gradient that is not finite brings nothing")
    func brokenGradientBringsNothing() {
        let (network, gradient) = gradient(patients: 4, noise: 0, clip: 1)
        let raw = ParameterBuffer(count: network.layout.count)
        raw.pointer[0] = .nan
        #expect(length(gradient.next { _ in raw }) == 0)
    }

    @Test("The noise has the deviation that was asked for, on what is trained and on nothing else")
    func noiseHasItsDeviation() {
        for parts in FederationSettings.Parts.allCases {
            let (network, gradient) = gradient(noise: 2, clip: 0.25, parts: parts)
            let zeros = ParameterBuffer(count: network.layout.count)
            let sum = gradient.next { _ in zeros }
            // Three groups, all taken: the sum is divided by three.
            var numbers: [Double] = []
            for parameter in network.layout.parameters {
                let values = (0..<parameter.count).map { 3 * Double(sum.pointer[parameter.offset + $0]) }
                if parts.trains(parameter.name) { numbers += values } else { #expect(values.allSatisfy { $0 == 0 }) }
            }
            let count = Double(numbers.count)
            let mean = numbers.reduce(0, +) / count
            let variance = numbers.reduce(0) { $0 + $1 * $1 } / count
            #expect(count > 5_000)
            #expect(abs(mean) < 5 * 0.5 / count.squareRoot(), "\(mean)")
            #expect(abs(variance / 0.25 - 1) < 5 * (2 / count).squareRoot(), "\(variance)")
        }
    }

    @Test("The system's noise differs each time, a seed's is the same for a round and a site and for no other")
    func noiseIsTheSystems() {
        func first(_ source: NoiseSource) -> UInt64 {
            var source = source
            return source.next()
        }
        #expect(first(NoiseSource(seed: nil)) != first(NoiseSource(seed: nil)))
        let wanted = first(NoiseSource(seed: 7, for: ["r", "a"]))
        #expect(first(NoiseSource(seed: 7, for: ["r", "a"])) == wanted)
        for other in [["r", "b"], ["s", "a"], ["r"], ["ra"], ["", "ra"], []] {
            #expect(first(NoiseSource(seed: 7, for: other)) != wanted, "\(other)")
        }
    }
}
