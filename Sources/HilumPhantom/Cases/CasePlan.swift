import HilumCore

/// One lesion or device, as planned before anything is drawn.
struct Lesion: Sendable, Equatable {
    enum Kind: Int, Sendable, CaseIterable {
        case effusion, consolidation, nodule, cardiomegaly, pneumothorax
        case pacemaker, endotrachealTube, nasogastricTube, chestTube, centralLine
    }

    var kind: Kind
    var side: Laterality?
    var zone: LungZone?
    /// Effusion, pneumothorax: small, moderate, large. Cardiomegaly: mild, moderate, severe.
    /// Consolidation: small, large.
    /// Nodule: index into `noduleDiametersInMillimetres`. Line: jugular, subclavian, PICC, port.
    var level = 0
    /// Consolidation: patchy, dense. Pacemaker: one lead, two. Tubes and lines: where the tip is.
    var variant = 0
    /// Free placement within what the words allow, each in `-1...1`.
    var jitter = SIMD2<Float>(0, 0)

    /// The diameters grow by a factor of 1.4, so that they can be told apart by eye. The image is 320 mm wide.
    static let noduleDiametersInMillimetres = [17, 24, 33, 46]
    static let pictureWidthInMillimetres: Float = 320
}

/// Everything a case shows, as words can say it. The image and the report are both made from this alone.
struct CasePlan: Sendable {
    enum Volume: Int, Sendable { case low, normal, high }
    enum Exposure: Int, Sendable { case under, normal, over }
    enum Knob: Int, Sendable { case normal, prominent, calcified }

    /// What can be seen besides the findings. At most four facts per case are unusual.
    enum Fact: Int, Sendable, CaseIterable {
        case volume, exposure, rotation, scoliosis, elevation, knob, stomach, leads, clips, sternotomy, habitus, trachea
        case granuloma, hilum
    }

    var site: PhantomSite
    var isPortable = false
    var volume = Volume.normal
    var exposure = Exposure.normal
    var rotation: Laterality?
    var scoliosis: Laterality?
    var elevation: Laterality?
    var knob = Knob.normal
    var hasStomachBubble = false
    var hasMonitorLeads = false
    var clips: Laterality?
    var hasSternotomy = false
    var isLarge = false
    var trachea: Laterality?
    var granulomaSide: Laterality?
    var granulomaZone = LungZone.upper
    var granulomaJitter = SIMD2<Float>(0, 0)
    var hilum: Laterality?
    var lesions: [Lesion] = []
    /// The variations of the body (the same for each study of a patient) and the grain of the film.
    var bodySeed: UInt64 = 0
    var grainSeed: UInt64 = 0

    func has(_ kind: Lesion.Kind) -> Bool { lesions.contains { $0.kind == kind } }
    func lesion(_ kind: Lesion.Kind, _ side: Laterality? = nil) -> Lesion? {
        lesions.first { $0.kind == kind && (side == nil || $0.side == side) }
    }
}

// MARK: - Random choice

extension CasePlan {
    static let normalShare = 0.15

    init(site: PhantomSite, random: inout SeededGenerator) {
        self.site = site
        let isNormal = random.chance(Self.normalShare)
        isPortable = random.chance(0.45)
        if !isNormal {
            let draw = random.uniform()
            addLesions(draw < 0.16 ? 1 : draw < 0.52 ? 2 : draw < 0.84 ? 3 : 4, &random)
        }
        let draw = random.uniform()
        let count =
            isNormal ? (draw < 0.25 ? 2 : draw < 0.7 ? 3 : 4) : (draw < 0.2 ? 1 : draw < 0.55 ? 2 : draw < 0.85 ? 3 : 4)
        addFacts(count, isNormal: isNormal, &random)
    }

    private static func weighted(_ weights: [Double], _ random: inout SeededGenerator) -> Int {
        var rest = random.uniform() * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            rest -= weight
            if rest < 0 && weight > 0 { return index }
        }
        return weights.lastIndex { $0 > 0 } ?? 0
    }

    private mutating func addFacts(_ count: Int, isNormal: Bool, _ random: inout SeededGenerator) {
        var weights: [Double] = [3, 2.6, 2.2, 1.6, 1.3, 2, 1.6, 1.2, 1.2, 1, 1.4, 1.3, 1.8, 1.2]
        if isNormal {
            for fact in [Fact.clips, .sternotomy, .trachea, .granuloma, .hilum] { weights[fact.rawValue] = 0 }
        }
        for _ in 0..<count {
            let index = Self.weighted(weights, &random)
            weights[index] = 0
            guard let fact = Fact(rawValue: index) else { continue }
            set(fact, &random)
        }
    }

    private mutating func set(_ fact: Fact, _ random: inout SeededGenerator) {
        let side = random.pick(Laterality.allCases)
        let coin = random.chance(0.5)
        switch fact {
        case .volume: if elevation == nil { volume = coin ? .low : .high }
        case .exposure: exposure = coin ? .under : .over
        case .rotation: rotation = side
        case .scoliosis: scoliosis = side
        case .elevation:
            if volume == .normal && lesion(.effusion, side) == nil && lesion(.pneumothorax, side) == nil {
                elevation = side
            }
        case .knob: knob = coin ? .prominent : .calcified
        case .stomach: hasStomachBubble = true
        case .leads: hasMonitorLeads = true
        case .clips: clips = side
        case .sternotomy: hasSternotomy = true
        case .habitus: isLarge = true
        case .trachea: trachea = side
        case .granuloma:
            let zones = freeZones(side)
            if zones.isEmpty { return }
            let zone = random.pick(zones)
            granulomaSide = side
            granulomaZone = zone
            granulomaJitter = Self.jitter(&random)
        case .hilum: if lesion(.pneumothorax, side) == nil { hilum = side }
        }
    }

    private static func jitter(_ random: inout SeededGenerator) -> SIMD2<Float> {
        SIMD2(Float(random.uniform(in: -1...1)), Float(random.uniform(in: -1...1)))
    }

    /// The zones of a lung in which another lesion would be visible apart from the present ones.
    private func freeZones(_ side: Laterality) -> [LungZone] {
        if lesion(.pneumothorax, side) != nil { return [] }
        var zones = LungZone.allCases
        if let effusion = lesion(.effusion, side) {
            zones.removeAll { $0 == .lower || (effusion.level == 2 && $0 == .mid) }
        }
        if side == .left, let heart = lesion(.cardiomegaly), heart.level > 0 {
            zones.removeAll { $0 == .lower || (heart.level == 2 && $0 == .mid) }
        }
        for lesion in lesions where lesion.side == side {
            if let taken = lesion.zone { zones.removeAll { $0 == taken } }
            if lesion.kind == .pacemaker { zones.removeAll { $0 == .upper } }
            if lesion.kind == .centralLine && lesion.level == 3 { zones.removeAll { $0 == .upper } }
        }
        return zones
    }

    private mutating func addLesions(_ count: Int, _ random: inout SeededGenerator) {
        let weights: [Double] = [1.7, 1.7, 1.5, 1.6, 1.3, 1.0, 0.9, 0.8, 0.8, 1.2]
        var tries = 0
        while lesions.count < count && tries < 40 {
            tries += 1
            guard let kind = Lesion.Kind(rawValue: Self.weighted(weights, &random)) else { continue }
            if let lesion = candidate(kind, &random) { lesions.append(lesion) }
        }
        lesions.sort { ($0.kind.rawValue, $0.side == .left ? 1 : 0) < ($1.kind.rawValue, $1.side == .left ? 1 : 0) }
    }

    /// A lesion of this kind, or nil if it would hide or contradict a present one.
    private func candidate(_ kind: Lesion.Kind, _ random: inout SeededGenerator) -> Lesion? {
        let side = random.pick(Laterality.allCases)
        var lesion = Lesion(kind: kind, side: side, jitter: Self.jitter(&random))
        lesion.level = random.integer(below: 3)
        switch kind {
        case .effusion:
            if self.lesion(kind, side) != nil || self.lesion(.pneumothorax, side) != nil { return nil }
            let heart = self.lesion(.cardiomegaly)?.level ?? 0
            if side == .left && heart > 0 && lesion.level < heart { return nil }
            if lesions.contains(where: { $0.side == side && hides($0, behindEffusion: lesion.level) }) { return nil }
        case .consolidation, .nodule:
            let zones = freeZones(side)
            if zones.isEmpty { return nil }
            let zone = random.pick(zones)
            if kind == .nodule && self.lesion(.nodule, side) != nil { return nil }
            if kind == .consolidation && self.lesion(.consolidation, side) != nil { return nil }
            lesion.zone = zone
            lesion.level = random.integer(below: kind == .nodule ? Lesion.noduleDiametersInMillimetres.count : 2)
            lesion.variant = random.integer(below: 2)
        case .cardiomegaly:
            if has(kind) { return nil }
            lesion.side = nil
            if lesion.level > 0 {
                if lesions.contains(where: { $0.side == .left && ($0.zone == .lower || $0.kind == .pneumothorax) }) {
                    return nil
                }
                if let effusion = self.lesion(.effusion, .left), effusion.level < lesion.level { return nil }
                if lesion.level == 2 && lesions.contains(where: { $0.side == .left && $0.zone == .mid }) { return nil }
            }
        case .pneumothorax:
            if has(kind) || lesions.contains(where: { $0.side == side && ($0.zone != nil || $0.kind == .effusion) }) {
                return nil
            }
            if side == .left && (self.lesion(.cardiomegaly)?.level ?? 0) > 0 { return nil }
        default:
            return device(lesion, side, &random)
        }
        return lesion
    }

    private func hides(_ lesion: Lesion, behindEffusion level: Int) -> Bool {
        guard let zone = lesion.zone else { return lesion.kind == .chestTube && lesion.variant == 1 && level > 0 }
        return zone == .lower || (level == 2 && zone == .mid)
    }

    private func device(_ start: Lesion, _ side: Laterality, _ random: inout SeededGenerator) -> Lesion? {
        var lesion = start
        if has(lesion.kind) { return nil }
        lesion.level = 0
        switch lesion.kind {
        case .pacemaker, .centralLine:
            let opposite: Lesion.Kind = lesion.kind == .pacemaker ? .centralLine : .pacemaker
            if self.lesion(opposite, side) != nil { return nil }
            if lesion.kind == .pacemaker {
                lesion.variant = random.integer(below: 2)
            } else {
                lesion.level = random.integer(below: 4)
                lesion.variant = random.integer(below: 3)
            }
            let isBulky = lesion.kind == .pacemaker || lesion.level == 3
            if isBulky && lesions.contains(where: { $0.side == side && $0.zone == .upper }) { return nil }
        case .endotrachealTube:
            lesion.side = nil
            lesion.variant = random.integer(below: 3)
        case .nasogastricTube:
            lesion.side = nil
            lesion.variant = random.integer(below: 2)
        default:
            lesion.variant = random.integer(below: 2)
            if let effusion = self.lesion(.effusion, side), effusion.level > 0 { lesion.variant = 0 }
        }
        return lesion
    }
}
