import HilumCore

extension ReportWriter {
    // MARK: Findings as notes

    mutating func findingB(_ lesion: Lesion) {
        let side = lesion.side?.rawValue ?? ""
        let left = side.sentenceStart
        switch lesion.kind {
        case .effusion:
            let size = [["small", "minor"], ["moderate", "moderate-sized"], ["large", "massive"]][lesion.level]
            var options = [
                "\(left) pleural effusion, \(pick(size)).", "\(pick(size).sentenceStart) \(side) pleural effusion.",
                "\(pick(size).sentenceStart) volume of pleural fluid on the \(side).",
                "Effusion on the \(side), \(pick(size)).",
            ]
            if lesion.level == 0 { options.append("Small effusion blunting the \(side) costophrenic recess.") }
            say(options)
        case .consolidation:
            let zone = lesion.zone?.name ?? ""
            let size = lesion.level == 0 ? pick(["small", "limited"]) : pick(["large", "widespread"])
            let degree = lesion.variant == 0 ? "patchy" : "dense"
            say([
                "\(degree.sentenceStart) consolidation \(side) \(zone) zone, \(size).",
                "\(size.sentenceStart) \(degree) consolidation at the \(side) \(zone) zone.",
                "\(left) \(zone) zone: \(size) \(degree) airspace shadowing.",
                "\(degree.sentenceStart) \(size) infiltrate in the \(side) \(zone) zone.",
            ])
        case .nodule:
            let zone = lesion.zone?.name ?? ""
            let size = "\(Lesion.noduleDiametersInMillimetres[lesion.level]) mm"
            say([
                "\(left) \(zone) zone nodule, \(size).", "\(size) nodule \(side) \(zone) zone.",
                "Rounded nodule of \(size) diameter in the \(side) \(zone) zone.",
                "Solitary nodule, \(size), \(side) \(zone) zone.",
            ])
        case .cardiomegaly:
            let degree = Lesion.degreeNames[lesion.level]
            let much = ["mild", "moderate", "marked"][lesion.level]
            say([
                "Cardiomegaly, \(degree).", "\(much.sentenceStart) cardiomegaly.",
                "Heart \(pick(["\(degree)ly", "\(much)ly"])) enlarged.",
                "\(degree.sentenceStart)ly increased cardiothoracic ratio, cardiomegaly.",
            ])
        case .pneumothorax:
            let size = [["small", "shallow"], ["moderate", "moderate-sized"], ["large", "extensive"]][lesion.level]
            let ending = [" at the apex", "", ", lung collapsed"][lesion.level]
            say([
                "\(left) pneumothorax, \(pick(size)).", "\(pick(size).sentenceStart) pneumothorax on the \(side).",
                "\(pick(size).sentenceStart) \(side) pneumothorax\(ending).",
            ])
        default: deviceB(lesion, side, left)
        }
    }

    private mutating func deviceB(_ lesion: Lesion, _ side: String, _ left: String) {
        switch lesion.kind {
        case .pacemaker:
            let leads =
                lesion.variant == 0
                ? pick(["one lead", "single lead to the RV"]) : pick(["two leads", "leads to RA and RV"])
            say([
                "\(left) pacemaker with \(leads).", "Pacemaker \(side) pectoral, \(leads).",
                "Pacing system on the \(side): pacemaker, \(leads).",
            ])
        case .endotrachealTube:
            let place = [
                ["tip high, at clavicle level", "too high, at the thoracic inlet"],
                ["tip satisfactory, above the carina", "tip mid trachea"],
                ["tip too low, in the right main bronchus", "down the right main bronchus, withdraw"],
            ][lesion.variant]
            say(["ETT (endotracheal tube) \(pick(place)).", "Endotracheal tube: \(pick(place))."])
        case .nasogastricTube:
            let place = [
                ["tip in the stomach", "passes below the diaphragm"],
                ["tip in the oesophagus, advance", "too short, tip above the diaphragm"],
            ][lesion.variant]
            say(["NG tube (nasogastric) \(pick(place)).", "Nasogastric tube: \(pick(place))."])
        case .chestTube:
            let place = lesion.variant == 0 ? pick(["apical", "tip at the apex"]) : pick(["basal", "tip at the base"])
            say([
                "\(left) chest drain, \(place).", "Intercostal chest drain on the \(side), \(place).",
                "Chest tube \(side), \(place).",
            ])
        default:
            let way = [
                ["internal jugular central line", "jugular CVC line"],
                ["subclavian central line", "subclavian CVC line"],
                ["PICC line", "arm PICC line"], ["port line", "implanted port with central line"],
            ][lesion.level]
            let tip = [
                ["upper SVC", "proximal SVC"], ["cavoatrial junction", "SVC/RA junction"], ["right atrium", "RA"],
            ][lesion.variant]
            say([
                "\(left) \(pick(way)), tip \(pick(tip)).", "\(left)-sided \(pick(way)) to \(pick(tip)).",
                "\(left) \(pick(way)); tip projected over \(pick(tip)).",
            ])
        }
    }

    // MARK: What else can be seen

    mutating func factsB() {
        switch plan.volume {
        case .low: say(["Poor inspiration.", "Small lung volumes.", "Shallow inspiration, low volumes."])
        case .high:
            say(["Overinflated lungs.", "Hyperinflation, flat diaphragms.", "Large volume lungs, hyperinflated."])
        case .normal: break
        }
        switch plan.exposure {
        case .under: say(["Underexposed film.", "Under-penetrated.", "Soft film, underexposed."])
        case .over: say(["Overexposed film.", "Over-penetrated.", "Dark film, overexposed."])
        case .normal: break
        }
        if let side = plan.rotation?.rawValue {
            say(["Rotated to the \(side).", "Rotation \(side).", "Film rotated to the patient's \(side)."])
        }
        if plan.isLarge { say(["Obese patient.", "Large patient.", "Large habitus."]) }
        if let side = plan.trachea?.rawValue {
            say(["Trachea deviated to the \(side).", "Trachea displaced to the \(side)."])
        }
        switch plan.knob {
        case .prominent: say(["Prominent aortic knuckle.", "Unfolded prominent aorta.", "Aortic knuckle enlarged."])
        case .calcified:
            say(["Calcified aortic knuckle.", "Calcification of the aortic arch.", "Aortic knuckle calcified."])
        case .normal: break
        }
        if let side = plan.hilum?.rawValue {
            say(["Bulky \(side) hilum.", "\(side.sentenceStart) hilar enlargement.", "Prominent \(side) hilum."])
        }
        if let side = plan.granulomaSide?.rawValue {
            let zone = plan.granulomaZone.name
            say(["Old calcified granuloma \(side) \(zone) zone.", "Calcified focus \(side) \(zone) zone, granuloma."])
        }
        if let side = plan.elevation?.rawValue {
            say([
                "Raised \(side) hemidiaphragm.", "\(side.sentenceStart) hemidiaphragm elevated.",
                "High \(side) hemidiaphragm.",
            ])
        }
        if plan.hasStomachBubble { say(["Gastric bubble visible.", "Gas in the stomach.", "Stomach bubble noted."]) }
        if let side = plan.scoliosis?.rawValue {
            say(["Thoracic scoliosis convex \(side).", "Scoliosis, convexity to the \(side)."])
        }
        if plan.hasSternotomy { say(["Sternal wires.", "Previous sternotomy.", "Sternotomy wires in situ."]) }
        if let side = plan.clips?.rawValue { say(["Clips \(side) axilla.", "Surgical clips, \(side) axilla."]) }
        if plan.hasMonitorLeads { say(["ECG leads in situ.", "Monitor electrodes on the chest."]) }
    }

    // MARK: What is absent

    mutating func negationsB() {
        var options: [String] = []
        if !plan.has(.effusion) {
            options.append(pick(["No effusion.", "Costophrenic recesses clear, no effusion.", "No pleural fluid."]))
        }
        if !plan.has(.pneumothorax) { options.append(pick(["No pneumothorax.", "No pneumothorax seen."])) }
        if !plan.has(.cardiomegaly) {
            options.append(pick(["Heart not enlarged.", "Normal heart size.", "CTR normal."]))
        }
        if !plan.has(.consolidation) {
            options.append(pick(["No consolidation.", "No infiltrate.", "No consolidation or collapse."]))
        }
        if !plan.has(.nodule) && plan.granulomaSide == nil {
            options.append(pick(["No nodule.", "No mass lesion or nodule."]))
        }
        if plan.lesions.isEmpty && plan.granulomaSide == nil {
            options.append(pick(["Lungs clear.", "Clear lung fields."]))
        }
        if plan.volume == .normal { options.append(pick(["Good inspiration.", "Adequate inspiration."])) }
        random.shuffle(&options)
        let count = max(1, min(4, 7 - sentences.count))
        sentences += options.prefix(count)
    }
}
