import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import HilumPhantom

@Suite("Phantoms that look like films")
struct FilmTests {
    private func cases(_ site: PhantomSite, _ count: Int, seed: UInt64, side: Int = 128) -> [PhantomCase] {
        let generator = PhantomGenerator(seed: seed, site: site, side: side, variety: .film)
        return (0..<count).map { generator.makeCase($0) }
    }

    /// The mean level of the pixels of `image` in `outer` and not in `inner`, in `0...1`.
    private func mean(_ image: GrayImage, in outer: PixelRect, without inner: PixelRect? = nil) -> Double {
        var sum = 0.0
        var count = 0.0
        for y in max(0, outer.y)..<min(image.height, outer.y + outer.height) {
            for x in max(0, outer.x)..<min(image.width, outer.x + outer.width) {
                if let inner, x >= inner.x, y >= inner.y, x < inner.x + inner.width, y < inner.y + inner.height {
                    continue
                }
                sum += Double(image.samples[y * image.width + x]) / 65_535
                count += 1
            }
        }
        return sum / max(count, 1)
    }

    /// A rectangle around the same middle, `factor` times as wide and as high.
    private func scaled(_ box: PixelRect, _ factor: Double) -> PixelRect {
        let width = max(1, Int(Double(box.width) * factor))
        let height = max(1, Int(Double(box.height) * factor))
        return PixelRect(
            x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width: width, height: height)
    }

    @Test("Equal seed, site and number give equal bytes", arguments: PhantomSite.allCases)
    func determinism(site: PhantomSite) {
        let one = cases(site, 12, seed: 61)
        let two = Array(cases(site, 12, seed: 61).reversed())
        for (first, second) in zip(one, two.reversed()) {
            #expect(first.image == second.image)
            #expect(first.findings == second.findings)
        }
        #expect(one[0].image != one[1].image)
    }

    @Test("The varieties share reports and findings, and differ in the picture", arguments: PhantomSite.allCases)
    func sharedReports(site: PhantomSite) {
        let plain = PhantomGenerator(seed: 62, site: site, side: 64)
        for (index, film) in cases(site, 60, seed: 62, side: 64).enumerated() {
            let other = plain.makeCase(index)
            #expect(film.report == other.report && film.id == other.id && film.facts == other.facts)
            #expect(film.labels == other.labels && film.view == other.view)
            #expect(film.image != other.image)
        }
    }

    @Test("A picture holds 8-bit levels and has the side asked for", arguments: [64, 200, 256])
    func levels(side: Int) {
        for phantom in cases(.b, 6, seed: 63, side: side) {
            #expect(phantom.image.width == side && phantom.image.height == side)
            #expect(phantom.image.samples.allSatisfy { $0 % 257 == 0 })
            #expect(Set(phantom.image.samples).count > 40)
        }
    }

    @Test("Each finding has a box inside of the picture", arguments: PhantomSite.allCases)
    func boxes(site: PhantomSite) {
        for phantom in cases(site, 300, seed: 64) {
            for finding in phantom.findings {
                guard let box = finding.box else {
                    Issue.record("\(phantom.id): \(finding.name) has no box")
                    continue
                }
                #expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= 128 && box.y + box.height <= 128)
                #expect(box.width * box.height >= 12, "\(phantom.id): \(finding.name) \(box)")
            }
        }
    }

    @Test("Nodules and consolidations are brighter than what surrounds their boxes", arguments: PhantomSite.allCases)
    func boxesLieOnTheLesions(site: PhantomSite) {
        var bright: [String: Int] = [:]
        var all: [String: Int] = [:]
        for phantom in cases(site, 400, seed: 65) {
            for finding in phantom.findings where ["nodule", "consolidation"].contains(finding.name) {
                guard let box = finding.box else { continue }
                let inside = mean(phantom.image, in: scaled(box, 0.6))
                let around = mean(phantom.image, in: scaled(box, 1.5), without: box)
                all[finding.name, default: 0] += 1
                if inside > around { bright[finding.name, default: 0] += 1 }
            }
        }
        for (name, count) in all {
            #expect(count > 60)
            #expect(Double(bright[name] ?? 0) >= 0.8 * Double(count), "\(name): \(bright[name] ?? 0) of \(count)")
        }
    }

    @Test("A box follows the film: nodules lie where the frame shows their place")
    func boxesFollowTheFrame() {
        let side = 256
        var checked = 0
        for index in 0..<120 {
            let plan = PhantomGenerator(seed: 66, site: .a, side: side).makePlan(index)
            let anatomy = Anatomy(plan, body: FilmBody(plan))
            let boxes = Renderer.render(plan, side: side, variety: .film).boxes
            for (lesion, box) in zip(plan.lesions, boxes) where lesion.kind == .nodule {
                guard let side = lesion.side, let box else { continue }
                let radius = Float(Lesion.noduleDiametersInMillimetres[lesion.level]) / 640
                let spot = anatomy.place(side, lesion.zone ?? .mid, radius: radius + 0.01, jitter: lesion.jitter)
                let middle = SIMD2(Float(box.x) + Float(box.width) / 2, Float(box.y) + Float(box.height) / 2) / 256
                // The case may have had to widen its frame, in known steps.
                let strengths = sequence(first: Float(1)) { $0 > 0.3 ? $0 * 0.65 : $0 > 0 ? 0 : nil }
                let errors = strengths.map { strength in
                    let seen = FilmFrame(plan, strength: strength).source(middle) - spot
                    return (seen.x * seen.x + seen.y * seen.y).squareRoot()
                }
                #expect((errors.min() ?? 1) < 0.012, "case \(index): \(errors)")
                checked += 1
            }
        }
        #expect(checked > 15)
    }

    @Test("At strength 0 the frame shows the drawing as it is")
    func wholeFrame() {
        for index in 0..<20 {
            let frame = FilmFrame(PhantomGenerator(seed: 67, site: .b, side: 64).makePlan(index), strength: 0)
            for place in [SIMD2<Float>(0, 0), SIMD2(1, 0.3), SIMD2(0.4, 0.99), SIMD2(0.5, 0.5)] {
                let seen = frame.source(place) - place
                #expect(abs(seen.x) < 1e-5 && abs(seen.y) < 1e-5)
            }
            #expect(frame.open(SIMD2(0.01, 0.99), scale: 64) == 1)
        }
    }

    @Test("The sites differ in contrast and grain")
    func sites() {
        func figures(_ site: PhantomSite) -> (spread: Double, grain: Double) {
            var spread = 0.0
            var grain = 0.0
            for phantom in cases(site, 200, seed: 68) {
                var values: [Double] = []
                var steps: [Double] = []
                for y in 32..<96 {
                    for x in 32..<96 {
                        let at = y * 128 + x
                        values.append(Double(phantom.image.samples[at]) / 65_535)
                        steps.append(
                            abs(Double(phantom.image.samples[at + 1]) - Double(phantom.image.samples[at])) / 65_535)
                    }
                }
                grain += steps.sorted()[steps.count / 2]
                let mean = values.reduce(0, +) / Double(values.count)
                spread += (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
            }
            return (spread / 200, grain / 200)
        }
        let a = figures(.a)
        let b = figures(.b)
        #expect(a.spread > b.spread * 1.03, "\(a) \(b)")
        #expect(b.grain / b.spread > a.grain / a.spread * 1.03, "\(a) \(b)")
    }

    @Test("A folder of one variety is not completed with the other")
    func otherVariety() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/hilum-film-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try PhantomDataset.write(to: folder, count: 2, seed: 1, site: .a, side: 64, variety: .film)
        #expect { try PhantomDataset.write(to: folder, count: 2, seed: 1, site: .a, side: 64) } throws: { error in
            guard case .otherParameters(let found) = (error as? PhantomError)?.code else { return false }
            return found.hasSuffix("variety film")
        }
    }
}
