import HilumCore

/// Writes the report of a plan: every visible fact, then what is absent, then the impression.
///
/// Site A dictates whole sentences, site B writes notes. Both name the patient's side.
struct ReportWriter {
    let plan: CasePlan
    var random: SeededGenerator
    /// Sentences about findings and facts, in the order of the dictation.
    var sentences: [String] = []

    static func write(_ plan: CasePlan, _ random: inout SeededGenerator) -> String {
        var writer = ReportWriter(plan: plan, random: random)
        let text = plan.site == .a ? writer.writeA() : writer.writeB()
        random = writer.random
        return text
    }

    mutating func pick(_ options: [String]) -> String { options[random.integer(below: options.count)] }

    mutating func say(_ options: [String]) { sentences.append(pick(options)) }

    // MARK: Whole reports

    private mutating func writeA() -> String {
        let view =
            plan.isPortable
            ? pick([
                "Portable AP chest radiograph.", "Single AP portable view of the chest.",
                "Bedside AP view of the chest.",
            ])
            : pick(["PA chest radiograph.", "Upright PA view of the chest.", "Frontal PA view of the chest."])
        factsA()
        for lesion in ordered() { findingA(lesion) }
        negationsA()
        let body = sentences.joined(separator: " ")
        let close = impression()
        return
            "\(view) \(pick(["FINDINGS: ", "Findings: ", ""]))\(body) \(pick(["IMPRESSION: ", "Impression: "]))\(close)"
    }

    private mutating func writeB() -> String {
        let view =
            plan.isPortable
            ? pick(["Mobile CXR, AP.", "CXR AP mobile.", "Chest X-ray, AP projection, on the ward."])
            : pick(["CXR PA.", "PA chest film.", "Chest X-ray, PA projection, erect."])
        for lesion in ordered() { findingB(lesion) }
        factsB()
        negationsB()
        let body = sentences.joined(separator: " ")
        if random.chance(0.2) { return "\(view) \(body)" }
        return "\(view) \(body) \(pick(["Conclusion: ", "Opinion: ", "Summary: "]))\(impression())"
    }

    /// The findings in an order a radiologist might use: devices first or last, the rest at random.
    private mutating func ordered() -> [Lesion] {
        var inside = plan.lesions.filter { $0.kind.rawValue < Lesion.Kind.pacemaker.rawValue }
        let devices = plan.lesions.filter { $0.kind.rawValue >= Lesion.Kind.pacemaker.rawValue }
        random.shuffle(&inside)
        return random.chance(0.5) ? devices + inside : inside + devices
    }

    // MARK: Impression

    private mutating func impression() -> String {
        if plan.lesions.isEmpty {
            return plan.site == .a
                ? pick([
                    "No acute cardiopulmonary abnormality.", "No acute cardiopulmonary disease.",
                    "Normal chest radiograph.", "No evidence of acute disease in the chest.",
                ])
                : pick([
                    "Normal study.", "No active lung disease.", "Chest within normal limits.", "No acute abnormality.",
                ])
        }
        var parts = plan.lesions.map { shortName($0) }
        if parts.count > 2 && random.chance(0.5) { parts = Array(parts.prefix(2)) }
        let joined = plan.site == .a ? list(parts) : parts.joined(separator: ", ")
        return joined.sentenceStart + "."
    }

    func list(_ parts: [String]) -> String {
        guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
        return parts.dropLast().joined(separator: ", ") + " and " + last
    }

    private mutating func shortName(_ lesion: Lesion) -> String {
        let side = lesion.side?.rawValue ?? ""
        let isA = plan.site == .a
        switch lesion.kind {
        case .effusion:
            let size = Lesion.sizeNames[lesion.level]
            return isA ? "\(size) \(side) pleural effusion" : "\(size) \(side) effusion"
        case .consolidation:
            let zone = lesion.zone?.name ?? ""
            return isA ? "\(side) \(zone) lung consolidation" : "\(side) \(zone) zone consolidation"
        case .nodule:
            let size = Lesion.noduleDiametersInMillimetres[lesion.level]
            let zone = lesion.zone?.name ?? ""
            return isA ? "\(size) mm \(side) \(zone) lung nodule" : "\(side) \(zone) zone nodule, \(size) mm"
        case .cardiomegaly: return "\(Lesion.degreeNames[lesion.level]) cardiomegaly"
        case .pneumothorax: return "\(Lesion.sizeNames[lesion.level]) \(side) pneumothorax"
        case .pacemaker: return isA ? "\(side) pacemaker in place" : "\(side) pacemaker"
        case .endotrachealTube:
            if lesion.variant == 2 {
                return isA ? "right main bronchus intubation by the endotracheal tube" : "endotracheal tube too low"
            }
            if lesion.variant == 0 { return isA ? "high endotracheal tube" : "endotracheal tube high" }
            return isA ? "endotracheal tube in good position" : "endotracheal tube satisfactory"
        case .nasogastricTube:
            if lesion.variant == 1 { return isA ? "nasogastric tube to be advanced" : "nasogastric tube too short" }
            return isA ? "nasogastric tube in the stomach" : "nasogastric tube satisfactory"
        case .chestTube: return isA ? "\(side) chest tube in place" : "\(side) chest drain"
        case .centralLine:
            let way = ["jugular line", "subclavian line", "PICC", "port catheter"][lesion.level]
            return isA ? "\(side) \(way) in place" : "\(side) \(way)"
        }
    }
}

extension String {
    /// The text with its first letter capitalised ("Moderate-sized").
    var sentenceStart: String { prefix(1).uppercased() + dropFirst() }
}
