import Foundation
import HilumCore
import HilumImaging
import HilumEmbedding
import HilumMCR
import HilumPhantom
import Synchronization

/// Measures pointing: does the hottest patch of an explanation lie on the lesion?
///
/// The cases have exactly one finding, a focal lesion (effusion, consolidation, nodule, pneumothorax); half are of each site. It
/// is a hit if the centre of the hottest patch lies in the true box enlarged by one patch on each side. Guesses are judged by
/// the same rule. Cardiomegaly has a box too, but the heart is always in the same place, so it has a row of its own that does
/// not count.
struct ExplainBench {
    static let usage = """
        usage: hilum-bench explain [--model DIR] [--count 300] [--seed 7001] [--plots DIR] [--json]
        The share of drawn one-lesion cases whose hottest patch lies in the true box, one patch of slack, for a phrase and for
        the whole report, beside guesses; exits 1 when the phrase's share is below 80 %.

        """
    static let focal = ["effusion", "consolidation", "nodule", "pneumothorax"]
    static let target = 0.8

    private let model: MCRModel
    private let count: Int
    private let seed: UInt64
    private let plots: String?
    private let isJSON: Bool

    init(_ arguments: [String]) throws {
        var options: [String: String] = [:]
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let name = String(word.drop { $0 == "-" })
            guard word.hasPrefix("--"), ["model", "count", "seed", "plots", "json"].contains(name) else {
                throw BenchError("unknown option \(word)")
            }
            if name == "json" {
                options[name] = ""
            } else {
                guard let value = rest.popFirst() else { throw BenchError("\(word) needs a value") }
                options[name] = value
            }
        }
        guard let count = Int(options["count"] ?? "300"), count >= 2, let seed = UInt64(options["seed"] ?? "7001")
        else {
            throw BenchError("--count needs a number from 2 and --seed one from 0")
        }
        self.count = count
        self.seed = seed
        plots = options["plots"]
        isJSON = options["json"] != nil
        let folder = options["model"].flatMap { $0 == "builtin" ? nil : $0 }
        model = try MCRModel(directory: try folder ?? MCRModel.builtInDirectory())
    }

    /// One case and its result.
    private struct Trial: Sendable {
        var drawn: PhantomCase
        var finding: PhantomFinding
        var box: PixelRect
        var text: String
        var phrase: Explanation
        var report: Explanation
    }

    func run() throws -> Bool {
        let images = PhantomSite.allCases.flatMap { site in
            (0..<100).map { PhantomGenerator(seed: seed &+ 1, site: site).makeCase($0).image }
        }
        let baseline = try model.baseline(images: images)
        let places = PhantomSite.allCases.flatMap { oneLesionCases($0) }
        let made = Mutex([Int: Trial]())
        let failure = Mutex<(any Error)?>(nil)
        parallelFor(places.count) { index in
            let drawn = PhantomGenerator(seed: seed, site: places[index].site).makeCase(places[index].number)
            guard let finding = drawn.findings.first, let box = finding.box else { return }
            do {
                let text = Self.phrase(for: finding)
                let trial = Trial(
                    drawn: drawn, finding: finding, box: box, text: text,
                    phrase: try model.explain(image: drawn.image, text: text, baseline: baseline),
                    report: try model.explain(image: drawn.image, text: drawn.report, baseline: baseline))
                made.withLock { $0[index] = trial }
            } catch { failure.withLock { $0 = error } }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        let trials = made.withLock { found in places.indices.compactMap { found[$0] } }
        let counted = trials.filter { Self.focal.contains($0.finding.name) }
        guard !counted.isEmpty else { throw BenchError("no case with one lesion was drawn; raise --count") }
        let share = report(trials, counted)
        if let plots { try writeSheet(counted, to: plots) }
        return share >= Self.target
    }

    /// The numbers of cases with one finding: `count` / 2 focal ones per site, and the cases of cardiomegaly found on the way.
    private func oneLesionCases(_ site: PhantomSite) -> [(site: PhantomSite, number: Int)] {
        let generator = PhantomGenerator(seed: seed, site: site)
        let wanted = site == .a ? (count + 1) / 2 : count / 2
        var found: [(site: PhantomSite, number: Int)] = []
        var focalCount = 0
        var number = 0
        while focalCount < wanted {
            let names = generator.findingNames(number)
            if names.count == 1 && (Self.focal.contains(names[0]) || names[0] == "cardiomegaly") {
                found.append((site, number))
                if names[0] != "cardiomegaly" { focalCount += 1 }
            }
            number += 1
        }
        return found
    }

    /// What a person would type.
    static func phrase(for finding: PhantomFinding) -> String {
        let side = finding.laterality?.rawValue ?? ""
        let zone = finding.zone?.name ?? ""
        switch finding.name {
        case "effusion": return "\(side) pleural effusion"
        case "consolidation": return "\(side) \(zone) zone consolidation"
        case "nodule": return "nodule in the \(side) \(zone) lung"
        case "pneumothorax": return "\(side) pneumothorax"
        default: return finding.name
        }
    }

    // MARK: Judging

    private static func isHit(_ patch: Int, _ trial: Trial) -> Bool {
        let grid = trial.phrase.grid
        let place = grid.rectangle(of: patch)
        let slack = Double(grid.imageWidth) / Double(grid.side)
        let (x, y) = (Double(place.x) + Double(place.width) / 2, Double(place.y) + Double(place.height) / 2)
        let box = trial.box
        return x >= Double(box.x) - slack && x <= Double(box.x + box.width) + slack && y >= Double(box.y) - slack
            && y <= Double(box.y + box.height) + slack
    }

    /// The share of hits of explanations, and of guesses that ignore the image.
    private struct Shares {
        var n: Int
        var phrase: Double
        var report: Double
        var centre: Double
        var random: Double
        /// The single patch that hits most of these cases. No guess without the image can do better.
        var prior: Double

        init(_ trials: [Trial]) {
            n = trials.count
            let grid = trials[0].phrase.grid
            let total = Double(trials.count)
            phrase = Double(trials.count { isHit($0.phrase.hottest, $0) }) / total
            report = Double(trials.count { isHit($0.report.hottest, $0) }) / total
            let byPatch = (0..<grid.count).map { patch in Double(trials.count { isHit(patch, $0) }) / total }
            random = byPatch.reduce(0, +) / Double(grid.count)
            prior = byPatch.max() ?? 0
            // With an even side, the centre is the common corner of four patches.
            let middle = Set([(grid.side - 1) / 2, grid.side / 2])
            let centres = middle.flatMap { row in middle.map { row * grid.side + $0 } }
            centre = centres.reduce(0) { $0 + byPatch[$1] } / Double(centres.count)
        }

        /// The 95 % Wilson interval for the share of phrases.
        var interval: (low: Double, high: Double) {
            let (z, total) = (1.959964, Double(n))
            let middle = (phrase + z * z / (2 * total)) / (1 + z * z / total)
            let half =
                z / (1 + z * z / total)
                * (phrase * (1 - phrase) / total + z * z / (4 * total * total)).squareRoot()
            return (middle - half, middle + half)
        }
    }

    private func report(_ trials: [Trial], _ counted: [Trial]) -> Double {
        let whole = Shares(counted)
        var rows: [(String, Shares)] = [("all focal lesions", whole)]
        for name in Self.focal + ["cardiomegaly"] {
            let part = trials.filter { $0.finding.name == name }
            if !part.isEmpty { rows.append((name, Shares(part))) }
        }
        for site in PhantomSite.allCases {
            let part = counted.filter { $0.drawn.site == site }
            if !part.isEmpty { rows.append(("site \(site.rawValue)", Shares(part))) }
        }
        if isJSON {
            for (name, shares) in rows {
                print(
                    AnnBench.line([
                        "event": .text("explain"), "cases": .text(name), "n": .integer(shares.n),
                        "phrase": .number(shares.phrase), "low95": .number(shares.interval.low),
                        "high95": .number(shares.interval.high), "report": .number(shares.report),
                        "centre": .number(shares.centre), "random": .number(shares.random),
                        "prior": .number(shares.prior),
                    ]))
            }
        } else {
            print("hottest patch in the true box, one patch of slack, % of cases; model \(model.modelID.prefix(16))")
            print("cases                  n  phrase  95 %          report  centre  random  best fixed patch")
            for (name, shares) in rows {
                let interval = String(format: "%.1f-%.1f", 100 * shares.interval.low, 100 * shares.interval.high)
                print(
                    name.padding(toLength: 20, withPad: " ", startingAt: 0)
                        + String(format: "%4d  %6.1f  ", shares.n, 100 * shares.phrase)
                        + interval.padding(toLength: 12, withPad: " ", startingAt: 0)
                        + String(
                            format: "  %6.1f  %6.1f  %6.1f  %6.1f", 100 * shares.report, 100 * shares.centre,
                            100 * shares.random, 100 * shares.prior))
            }
        }
        let holds = whole.phrase >= Self.target
        print(
            "{\"figure\":\"explain_pointing\",\"value\":\(String(format: "%.4f", whole.phrase)),"
                + "\"target\":\(Self.target),\"holds\":\(holds)}")
        return whole.phrase
    }

    // MARK: Contact sheet

    /// Draws the first twelve hits above and the first twelve misses below, with the true box in white.
    private func writeSheet(_ trials: [Trial], to folder: String) throws {
        let side = 200
        let groups = [("hits", true), ("misses", false)].map { name, isWanted in
            (name, Array(trials.filter { Self.isHit($0.phrase.hottest, $0) == isWanted }.prefix(12)))
        }
        let rowHeight = side + 40
        let rowCount = groups.reduce(0) { $0 + ($1.1.count + 5) / 6 }
        var canvas = Canvas(
            width: 6 * (side + 10) + 30, height: rowCount * rowHeight + 2 * 40 + 20,
            background: RGBColor(17, 20, 25))
        var y = 16
        for (name, members) in groups {
            canvas.text(name, x: 20, y: y, RGBColor(228, 232, 238), scale: 2.5)
            y += 36
            for (index, trial) in members.enumerated() {
                let x = 20 + index % 6 * (side + 10)
                let top = y + index / 6 * rowHeight
                draw(trial, &canvas, x: x, y: top, side: side)
            }
            y += (members.count + 5) / 6 * rowHeight
        }
        try FileIO.makeFolder(folder)
        let path = folder + "/explain-hits-and-misses.png"
        try FileIO.writeAtomically(path, try PNGEncoder.encode(canvas.image))
        FileHandle.standardError.write(Data("plot: \(path)\n".utf8))
    }

    private func draw(_ trial: Trial, _ canvas: inout Canvas, x: Int, y: Int, side: Int) {
        let grid = trial.phrase.grid
        HeatMap.draw(
            trial.drawn.image, values: trial.phrase.heat, columns: grid.side, rows: grid.side,
            highest: trial.phrase.heat.max() ?? 0, into: &canvas, x: x, y: y, style: HeatMap.Style(side: side))
        func scaled(_ value: Int) -> Int { value * side / grid.imageWidth }
        canvas.strokeRectangle(
            PixelRect(
                x: x + scaled(trial.box.x), y: y + scaled(trial.box.y), width: max(2, scaled(trial.box.width)),
                height: max(2, scaled(trial.box.height))), RGBColor(255, 255, 255))
        canvas.text(trial.text, x: x, y: y + side + 6, RGBColor(228, 232, 238), scale: 1)
        canvas.text("site \(trial.drawn.site.rawValue)", x: x, y: y + side + 18, RGBColor(150, 160, 174), scale: 1)
    }
}
