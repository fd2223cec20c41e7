// HilumPhantom draws synthetic chest radiographs with reports in the style of a radiologist, and the ground truth.
//
//     (seed, site, index) ─▶ CasePlan ─┬─▶ Anatomy ─▶ Renderer (tissue, lesions, bones, devices, film) ─▶ image, boxes
//                                      └─▶ ReportWriter (site A | site B) ─▶ report
//
// | folder, file              | contents                                                      |
// | ------------------------- | ------------------------------------------------------------- |
// | PhantomGenerator          | a case from a seed, a site and a number                       |
// | Cases/ PhantomCase        | the public types                                              |
// | Cases/ PhantomVariety     | how close to a film the pictures come                         |
// | Cases/ CasePlan           | decides at random, without contradictions, what a case shows  |
// | Cases/ PhantomDataset     | a folder of cases with its manifest                           |
// | Drawing/ Anatomy          | the positions of the organs                                   |
// | Drawing/ Field, Renderer  | the image                                                     |
// | Drawing/ Film…            | the variety `film`: posture, exposure, development, scan      |
// | Reports/ ReportWriter     | the report                                                    |
// | RadiologyWording          | general wording of reports, for building a vocabulary         |
import HilumCore
import HilumImaging

/// Draws synthetic cases. Case `i` depends only on the seed, the site and `i`.
///
/// Thread rule: a value without state; any number of threads.
public struct PhantomGenerator: Sendable {
    /// The sides that an image may have, in pixels.
    public static let sides = 64...4096

    /// The seed of all cases.
    let seed: UInt64
    /// The imaginary hospital.
    let site: PhantomSite
    /// The side of the square image in pixels.
    let side: Int
    /// How close to a film the image comes.
    let variety: PhantomVariety

    /// A generator for one site.
    ///
    /// - Parameter side: the side of the square image in pixels, in `sides`.
    public init(seed: UInt64, site: PhantomSite, side: Int = 256, variety: PhantomVariety = .plain) {
        precondition(Self.sides.contains(side), "the side must lie between 64 and 4,096 pixels")
        self.seed = seed
        self.site = site
        self.side = side
        self.variety = variety
    }

    /// Draws case number `index` (0 …), which takes about 3 ms at 256 × 256 pixels, and several times that for a film.
    public func makeCase(_ index: Int) -> PhantomCase {
        precondition(index >= 0, "cases are numbered from 0")
        let plan = makePlan(index)
        let (image, boxes) = Renderer.render(plan, side: side, variety: variety)
        var random = SeededGenerator(seed: seed, keys: site.key, UInt64(index), 3)
        let study = Self.study(seed: seed, site: site, index: index)
        return PhantomCase(
            id: "phantom-\(site.rawValue)-\(seed)-\(padded(index, 6))",
            site: site, image: image, report: ReportWriter.write(plan, &random),
            findings: zip(plan.lesions, boxes).map { $0.finding(box: $1) }, facts: plan.factLabels,
            patient: "phantom-\(site.rawValue)-\(seed)-p\(padded(study.patient, 6))",
            view: plan.isPortable ? "AP" : "PA", date: study.date)
    }

    /// The names of the findings of case `index`, without drawing it; empty for a normal case.
    public func findingNames(_ index: Int) -> [String] {
        precondition(index >= 0, "cases are numbered from 0")
        return makePlan(index).lesions.map { $0.finding(box: nil).name }
    }

    func makePlan(_ index: Int) -> CasePlan {
        var random = SeededGenerator(seed: seed, keys: site.key, UInt64(index), 1)
        var plan = CasePlan(site: site, random: &random)
        let patient = Self.study(seed: seed, site: site, index: index).patient
        var body = SeededGenerator(seed: seed, keys: site.key, UInt64(patient), 2)
        plan.bodySeed = body.next()
        plan.grainSeed = random.next()
        return plan
    }

    /// Each four successive cases come from two to four patients. Later studies of a patient have later dates.
    static func study(seed: UInt64, site: PhantomSite, index: Int) -> (patient: Int, date: String) {
        let group = index / 4
        var random = SeededGenerator(seed: seed, keys: site.key, UInt64(group), 4)
        let patterns = [
            [0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], [0, 0, 1, 2], [0, 1, 1, 2], [0, 0, 1, 1], [0, 0, 0, 1],
        ]
        let pattern = random.pick(patterns)
        let first = random.integer(below: 3600)
        let day = first + (index % 4) * (2 + random.integer(below: 40))
        // Months of 28 days keep every date valid.
        let year = 2010 + day / 336
        let month = day % 336 / 28 + 1
        return (group * 4 + pattern[index % 4], "\(year)-\(padded(month, 2))-\(padded(day % 28 + 1, 2))")
    }
}

/// A number with leading zeros.
func padded(_ number: Int, _ width: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, width - text.count)) + text
}

extension Lesion {
    static let sizeNames = ["small", "moderate", "large"]
    static let degreeNames = ["mild", "moderate", "severe"]

    /// The ground truth of this lesion.
    func finding(box: PixelRect?) -> PhantomFinding {
        var finding = PhantomFinding(name: "", laterality: side, zone: zone, box: box)
        switch kind {
        case .effusion:
            finding.name = "effusion"
            finding.size = Self.sizeNames[level]
        case .consolidation:
            finding.name = "consolidation"
            finding.size = level == 0 ? "small" : "large"
            finding.degree = variant == 0 ? "patchy" : "dense"
        case .nodule:
            finding.name = "nodule"
            finding.size = "\(Self.noduleDiametersInMillimetres[level]) mm"
        case .cardiomegaly:
            finding.name = "cardiomegaly"
            finding.degree = Self.degreeNames[level]
        case .pneumothorax:
            finding.name = "pneumothorax"
            finding.size = Self.sizeNames[level]
        case .pacemaker:
            finding.name = "pacemaker"
            finding.detail = variant == 0 ? "single lead" : "two leads"
        case .endotrachealTube:
            finding.name = "endotracheal tube"
            finding.detail =
                ["tip at the clavicles", "tip above the carina", "tip in the right main bronchus"][variant]
        case .nasogastricTube:
            finding.name = "nasogastric tube"
            finding.detail = ["tip in the stomach", "tip in the oesophagus"][variant]
        case .chestTube:
            finding.name = "chest tube"
            finding.detail = ["tip at the apex", "tip at the base"][variant]
        case .centralLine:
            finding.name = "central line"
            let way = ["jugular", "subclavian", "PICC", "port"][level]
            let tip = ["tip in the upper SVC", "tip at the cavoatrial junction", "tip in the right atrium"][variant]
            finding.detail = "\(way), \(tip)"
        }
        return finding
    }
}

extension CasePlan {
    /// Short names of what is out of the ordinary beside the findings.
    var factLabels: [String] {
        var labels: [String] = []
        if volume != .normal { labels.append(volume == .low ? "volume low" : "volume high") }
        if exposure != .normal { labels.append(exposure == .under ? "exposure under" : "exposure over") }
        if let rotation { labels.append("rotation \(rotation.rawValue)") }
        if let scoliosis { labels.append("scoliosis \(scoliosis.rawValue)") }
        if let elevation { labels.append("elevation \(elevation.rawValue)") }
        if knob != .normal { labels.append(knob == .prominent ? "knob prominent" : "knob calcified") }
        if hasStomachBubble { labels.append("stomach bubble") }
        if hasMonitorLeads { labels.append("monitor leads") }
        if let clips { labels.append("clips \(clips.rawValue)") }
        if hasSternotomy { labels.append("sternotomy") }
        if isLarge { labels.append("habitus large") }
        if let trachea { labels.append("trachea \(trachea.rawValue)") }
        if let granulomaSide { labels.append("granuloma \(granulomaSide.rawValue) \(granulomaZone.name)") }
        if let hilum { labels.append("hilum \(hilum.rawValue)") }
        return labels
    }
}
