import Foundation
import HilumCore
import HilumImaging
import Synchronization
import Testing

@testable import HilumPhantom

/// Words of which one must stand in a report that shows the finding.
private let words: [String: [String]] = [
    "effusion": ["effusion", "pleural fluid"],
    "consolidation": ["consolidation", "airspace opacity", "airspace shadowing", "infiltrate"],
    "nodule": ["nodule", "nodular"],
    "cardiomegaly": ["cardiomegaly", "enlarged", "enlargement of the heart"],
    "pneumothorax": ["pneumothorax"],
    "pacemaker": ["pacemaker"],
    "endotracheal tube": ["endotracheal tube"],
    "nasogastric tube": ["nasogastric"],
    "chest tube": ["chest tube", "chest drain"],
    "central line": ["line", "port"],
]

private func cases(_ site: PhantomSite, _ count: Int, seed: UInt64, side: Int = 128) -> [PhantomCase] {
    let generator = PhantomGenerator(seed: seed, site: site, side: side)
    return (0..<count).map { generator.makeCase($0) }
}

private func sentences(_ report: String) -> [String] {
    report.lowercased().replacingOccurrences(of: "\\.(\\d)", with: ",$1", options: .regularExpression)
        .split(separator: ".").map { $0.trimmingCharacters(in: .whitespaces) }
}

private func denies(_ sentence: String) -> Bool {
    sentence.range(of: "(^|: |, )(there is )?no(t| |$)| not |normal|clear", options: .regularExpression) != nil
}

@Suite("Phantom cases")
struct PhantomCaseTests {
    @Test("Equal seed, site and number give equal bytes, in any order and on any thread")
    func determinism() {
        let generator = PhantomGenerator(seed: 41, site: .b, side: 128)
        let forward = (0..<24).map { generator.makeCase($0) }
        let found = Mutex([Int: PhantomCase]())
        parallelFor(24, threads: 4) { index in
            let phantom = PhantomGenerator(seed: 41, site: .b, side: 128).makeCase(23 - index)
            found.withLock { $0[23 - index] = phantom }
        }
        for (index, phantom) in forward.enumerated() {
            let other = found.withLock { $0[index] }
            #expect(other?.image == phantom.image)
            #expect(other?.report == phantom.report)
            #expect(other?.findings == phantom.findings)
            #expect(other?.patient == phantom.patient && other?.date == phantom.date)
        }
    }

    @Test("Another seed or another site gives another picture and another report")
    func seedsDiffer() {
        let one = PhantomGenerator(seed: 1, site: .a, side: 64).makeCase(5)
        let two = PhantomGenerator(seed: 2, site: .a, side: 64).makeCase(5)
        let three = PhantomGenerator(seed: 1, site: .b, side: 64).makeCase(5)
        #expect(one.image != two.image && one.image != three.image)
        #expect(one.report != two.report && one.report != three.report)
    }

    @Test("A picture holds 8-bit levels and has the side asked for", arguments: [64, 200, 256])
    func levels(side: Int) {
        let image = PhantomGenerator(seed: 3, site: .a, side: side).makeCase(0).image
        #expect(image.width == side && image.height == side)
        #expect(image.samples.allSatisfy { $0 % 257 == 0 })
        #expect(Set(image.samples).count > 60)
    }

    @Test("An id holds site, seed and number", arguments: PhantomSite.allCases)
    func ids(site: PhantomSite) {
        let phantom = PhantomGenerator(seed: 7, site: site, side: 64).makeCase(123)
        #expect(phantom.id == "phantom-\(site.rawValue)-7-000123")
    }

    @Test("Some patients have several studies, on later and later days")
    func patients() {
        let studies = (0..<400).map { PhantomGenerator.study(seed: 9, site: .a, index: $0) }
        let byPatient = Dictionary(grouping: studies, by: \.patient)
        #expect(byPatient.count < 380 && byPatient.count > 250)
        for group in byPatient.values { #expect(group.map(\.date) == group.map(\.date).sorted()) }
    }
}

@Suite("Phantom findings")
struct PhantomFindingTests {
    @Test(
        "Every kind of finding occurs in 500 cases, on both sides, and 12 to 18 % are normal",
        arguments: PhantomSite.allCases)
    func allKinds(site: PhantomSite) {
        let generator = PhantomGenerator(seed: 5, site: site, side: 64)
        let labels = (0..<500).map { index in
            let plan = generator.makePlan(index)
            return plan.lesions.isEmpty ? ["normal"] : plan.lesions.map { $0.finding(box: nil).label }
        }
        let all = Set(labels.flatMap { $0 })
        for name in ["effusion", "consolidation", "nodule", "pneumothorax", "pacemaker", "chest tube", "central line"] {
            for side in Laterality.allCases { #expect(all.contains("\(name) \(side.rawValue)")) }
        }
        for name in ["cardiomegaly", "endotracheal tube", "nasogastric tube", "normal"] { #expect(all.contains(name)) }
        let normal = Double(labels.count { $0 == ["normal"] }) / 500
        #expect(normal > 0.11 && normal < 0.19)
        #expect(labels.allSatisfy { (1...4).contains($0.count) && Set($0).count == $0.count })
    }

    @Test("Every label stands in the words of its report, with its side", arguments: PhantomSite.allCases)
    func labelsAreSaid(site: PhantomSite) {
        for phantom in cases(site, 400, seed: 21, side: 64) {
            for finding in phantom.findings {
                let said = sentences(phantom.report).contains { sentence in
                    guard !denies(sentence) else { return false }
                    let isNamed = (words[finding.name] ?? []).contains { sentence.contains($0) }
                    let isPlaced = finding.laterality.map { sentence.contains($0.rawValue) } ?? true
                    let isZoned = finding.zone.map { sentence.contains($0.name) } ?? true
                    return isNamed && isPlaced && isZoned
                }
                #expect(said, "\(finding.label) is missing from: \(phantom.report)")
            }
        }
    }

    @Test("What a report denies is not among its labels", arguments: PhantomSite.allCases)
    func denialsAreTrue(site: PhantomSite) {
        var denials = 0
        for phantom in cases(site, 400, seed: 22, side: 64) {
            let names = Set(phantom.findings.map(\.name))
            for sentence in sentences(phantom.report) where denies(sentence) {
                for name in ["effusion", "consolidation", "nodule", "pneumothorax"] {
                    guard (words[name] ?? []).contains(where: { sentence.contains($0) }) else { continue }
                    denials += 1
                    #expect(!names.contains(name), "\(name) is denied in: \(phantom.report)")
                }
                if sentence.contains("heart") || sentence.contains("cardiac") || sentence.contains("ctr") {
                    denials += 1
                    #expect(!names.contains("cardiomegaly"), "the heart is called normal in: \(phantom.report)")
                }
                if sentence.contains("lungs") && sentence.contains("clear") { #expect(phantom.findings.isEmpty) }
            }
        }
        #expect(denials > 400)
    }

    @Test(
        "A report says no side and no zone of lung disease that the case does not have", arguments: PhantomSite.allCases
    )
    func sidesAreTrue(site: PhantomSite) {
        for phantom in cases(site, 300, seed: 23, side: 64) {
            for sentence in sentences(phantom.report) where !denies(sentence) {
                for name in ["effusion", "pneumothorax", "pacemaker"]
                where (words[name] ?? []).contains(where: sentence.contains) {
                    // The impression joins several findings in one sentence; there each side is someone's.
                    let parts = sentence.replacingOccurrences(of: " and ", with: ", ").components(separatedBy: ", ")
                    for part in parts where (words[name] ?? []).contains(where: part.contains) {
                        for side in Laterality.allCases where part.contains("\(side.rawValue) \(name)") {
                            #expect(phantom.labels.contains("\(name) \(side.rawValue)"), "\(part): \(phantom.labels)")
                        }
                    }
                }
            }
        }
    }

    @Test("Each finding changes the picture inside its box", arguments: PhantomSite.allCases)
    func drawnInsideTheBox(site: PhantomSite) {
        let side = 128
        let generator = PhantomGenerator(seed: 31, site: site, side: side)
        for index in 0..<150 {
            let plan = generator.makePlan(index)
            let (image, boxes) = Renderer.render(plan, side: side)
            for (number, lesion) in plan.lesions.enumerated() {
                guard let box = boxes[number] else {
                    Issue.record("case \(index): \(lesion.finding(box: nil).label) has no box")
                    continue
                }
                #expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= side && box.y + box.height <= side)
                var without = plan
                without.lesions.remove(at: number)
                let other = Renderer.render(without, side: side).image
                var inside = 0
                for y in box.y..<(box.y + box.height) {
                    for x in box.x..<(box.x + box.width) {
                        let old = Int(other.samples[y * side + x])
                        if abs(Int(image.samples[y * side + x]) - old) > 257 * 8 { inside += 1 }
                    }
                }
                #expect(inside >= 18, "case \(index): \(lesion.finding(box: box).label) changes \(inside) pixels")
            }
        }
    }

    @Test("A sided lesion of the lung or pleura lies in its own half: the patient's right is on the left")
    func sidesAgreeWithBoxes() {
        for phantom in cases(.a, 400, seed: 33, side: 128) {
            for finding in phantom.findings {
                guard let side = finding.laterality, let box = finding.box else { continue }
                guard ["effusion", "consolidation", "nodule", "pneumothorax", "chest tube"].contains(finding.name)
                else { continue }
                let middle = Float(box.x) + Float(box.width) / 2
                #expect((middle < 64) == (side == .right), "\(phantom.id): \(finding)")
            }
        }
    }

    @Test("A larger class covers more of the picture")
    func sizesGrow() {
        var areas: [String: [Int]] = [:]
        for phantom in cases(.a, 600, seed: 34, side: 128) {
            for finding in phantom.findings where ["effusion", "nodule", "consolidation"].contains(finding.name) {
                guard let size = finding.size, let box = finding.box else { continue }
                areas["\(finding.name) \(size)", default: []].append(box.width * box.height)
            }
        }
        func median(_ key: String) -> Int {
            let sorted = (areas[key] ?? []).sorted()
            return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }
        #expect(median("effusion small") > 0)
        #expect(median("effusion small") * 3 < median("effusion moderate") * 2)
        #expect(median("effusion moderate") * 5 < median("effusion large") * 4)
        #expect(median("consolidation small") * 2 < median("consolidation large"))
        let nodules = Lesion.noduleDiametersInMillimetres.map { median("nodule \($0) mm") }
        #expect((nodules.first ?? 0) >= 25)
        for (smaller, larger) in zip(nodules, nodules.dropFirst()) { #expect(smaller * 3 < larger * 2) }
    }
}

@Suite("Phantom sites and wording")
struct PhantomSiteTests {
    @Test("The sites differ in exposure: contrast and grain")
    func exposure() {
        func figures(_ site: PhantomSite) -> (spread: Double, grain: Double) {
            var spread = 0.0
            var grain = 0.0
            for phantom in cases(site, 40, seed: 51, side: 128) {
                // The inner half only, so that the collimation of site B plays no part.
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
                // Most neighbours have no edge between them: the middle step is grain.
                grain += steps.sorted()[steps.count / 2]
                let mean = values.reduce(0, +) / Double(values.count)
                spread += (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
            }
            return (spread / 40, grain)
        }
        let a = figures(.a)
        let b = figures(.b)
        #expect(a.spread > b.spread * 1.1)
        #expect(b.grain > a.grain * 1.1)
    }

    @Test("The sites word their reports differently")
    func wording() {
        func vocabulary(_ site: PhantomSite) -> Set<String> {
            Set(
                cases(site, 200, seed: 52, side: 64).flatMap {
                    $0.report.lowercased().split { !$0.isLetter }.map(String.init)
                })
        }
        let a = vocabulary(.a)
        let b = vocabulary(.b)
        #expect(Double(a.intersection(b).count) < 0.7 * Double(a.union(b).count))
    }

    @Test("Reports of 1,000 cases are distinct in words and nearly so in meaning", arguments: PhantomSite.allCases)
    func variety(site: PhantomSite) {
        let all = cases(site, 1000, seed: 53, side: 64)
        #expect(Set(all.map(\.report)).count >= 998)
        let meanings = all.map { phantom in
            phantom.findings.map {
                "\($0.label)/\($0.zone?.name ?? "")/\($0.size ?? "")/\($0.degree ?? "")/\($0.detail ?? "")"
            }
            .joined(separator: ";") + phantom.facts.joined(separator: ";") + phantom.view
        }
        #expect(Set(meanings).count >= 960)
        let lengths = all.map { $0.report.split(separator: " ").count }.sorted()
        #expect(lengths[50] >= 22 && lengths[500] <= 65 && lengths[950] <= 95)
    }

    @Test("The general sentences repeat with their seed, fill every slot and are mostly distinct")
    func generalSentences() throws {
        let wording = try RadiologyWording.shared()
        let some = wording.sentences(count: 2000, seed: 3)
        #expect(some == wording.sentences(count: 2000, seed: 3))
        #expect(Array(some.prefix(100)) == wording.sentences(count: 100, seed: 3))
        #expect(some != wording.sentences(count: 2000, seed: 4))
        #expect(some.allSatisfy { !$0.contains("{") && !$0.contains("}") && !$0.contains("  ") && $0.hasSuffix(".") })
        #expect(Set(some).count > 1200)
    }

    @Test("Every slot that a template names exists")
    func slotsExist() throws {
        let wording = try RadiologyWording.shared()
        let known = Set(wording.slots.keys).union(["age", "mm", "n", "level"])
        for text in wording.templates + wording.slots.values.flatMap({ $0 }) {
            for piece in text.split(separator: "{").dropFirst(text.hasPrefix("{") ? 0 : 1) {
                let name = String(piece.prefix { $0 != "}" })
                #expect(known.contains(name), "\(name)")
            }
        }
    }

    @Test("There are at least 1,500 terms, each once and in lower case")
    func terms() throws {
        let terms = try RadiologyWording.shared().terms
        #expect(terms.count >= 1500)
        #expect(Set(terms).count == terms.count)
        #expect(terms.allSatisfy { $0 == $0.lowercased() && !$0.isEmpty })
    }

    /// The digests are those of the release in which the wording was Swift code: the committed vocabulary came from it.
    @Test("The wording is, word for word and in order, the one that the built-in vocabulary was made from")
    func wordingStays() throws {
        let wording = try RadiologyWording.shared()
        var lines = wording.terms + wording.templates
        for (name, fillings) in wording.slots.sorted(by: { $0.key < $1.key }) { lines += [name] + fillings }
        #expect(
            SHA256.hex(Array((lines.joined(separator: "\n") + "\n").utf8))
                == "b69f98be26acf86259a83259fda255ee57158a5e8970cd1789761f6b39060c34")
        let sentences = wording.sentences(count: 20_000, seed: 1).joined(separator: "\n") + "\n"
        #expect(
            SHA256.hex(Array(sentences.utf8)) == "26b51992f31883431ad59d19110fd02e5c060319e0e89b7e664994b994a7d92a")
    }

    @Test(
        "A wording that is not as it should be is refused with its line",
        arguments: [
            ("word\n[words a]\nx\n[templates]\ny\n", "line 1"), ("[words a]\nx\n[verbs]\n", "line 3"),
            ("[words a]\nx\n", "no templates"), ("[templates]\ny\n", "no words"), ("", "no words"),
            ("[words a\nx\n", "line 1"),
        ])
    func badWording(text: String, reason: String) {
        let error = #expect(throws: PhantomError.self) { try RadiologyWording(text: text) }
        #expect(error?.description.contains(reason) == true)
    }
}
