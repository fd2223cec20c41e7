import HilumCore

extension ReportWriter {
    // MARK: Findings in whole sentences

    mutating func findingA(_ lesion: Lesion) {
        let side = lesion.side?.rawValue ?? ""
        switch lesion.kind {
        case .effusion:
            let size = Lesion.sizeNames[lesion.level]
            var options = [
                "There is a \(size) \(side) pleural effusion.", "A \(size) pleural effusion is present on the \(side).",
                "\(size.sentenceStart) \(side)-sided pleural effusion is seen.",
            ]
            if lesion.level == 0 {
                options.append("Blunting of the \(side) costophrenic angle reflects a small \(side) pleural effusion.")
            }
            if lesion.level == 2 {
                options.append(
                    "A large \(side) effusion obscures the \(side) hemidiaphragm and most of the lower \(side) lung.")
            }
            say(options)
        case .consolidation: consolidationA(lesion, side)
        case .nodule: noduleA(lesion, side)
        case .cardiomegaly:
            let degree = Lesion.degreeNames[lesion.level]
            say([
                "The heart is \(degree)ly enlarged, consistent with \(degree) cardiomegaly.",
                "There is \(degree) cardiomegaly.",
                "The cardiac silhouette is \(degree)ly enlarged.", "\(degree.sentenceStart) enlargement of the heart.",
            ])
        case .pneumothorax:
            let size = Lesion.sizeNames[lesion.level]
            let place = lesion.level == 0 ? " apical" : ""
            var options = [
                "There is a \(size) \(side)\(place) pneumothorax.", "A \(size) pneumothorax is present on the \(side).",
                "\(size.sentenceStart) \(side)-sided pneumothorax with a visible pleural line.",
            ]
            if lesion.level == 2 { options.append("Large \(side) pneumothorax with collapse of the \(side) lung.") }
            say(options)
        default: deviceA(lesion, side)
        }
    }

    private mutating func consolidationA(_ lesion: Lesion, _ side: String) {
        let zone = lesion.zone?.name ?? ""
        let size = lesion.level == 0 ? pick(["small", "focal"]) : pick(["large", "extensive"])
        let degree = lesion.variant == 0 ? "patchy" : "dense"
        let article = size == "extensive" ? "an" : "a"
        say([
            "There is \(article) \(size) area of \(degree) consolidation in the \(side) \(zone) lung zone.",
            "\(degree.sentenceStart) \(size) consolidation is seen in the \(side) \(zone) lung.",
            "\(article.sentenceStart) \(size), \(degree) airspace opacity is present in the \(side) \(zone) lung.",
            "\(size.sentenceStart) \(degree) airspace consolidation within the \(side) \(zone) lung.",
        ])
    }

    private mutating func noduleA(_ lesion: Lesion, _ side: String) {
        let zone = lesion.zone?.name ?? ""
        let millimetres = Lesion.noduleDiametersInMillimetres[lesion.level]
        let size = random.chance(0.3) ? "\(millimetres / 10).\(millimetres % 10) cm" : "\(millimetres) mm"
        var options = [
            "There is a \(size) nodule in the \(side) \(zone) lung.",
            "A \(size) rounded nodule projects over the \(side) \(zone) lung zone.",
            "\(side.sentenceStart) \(zone) lung nodule measuring \(size).",
            "A well defined nodule of \(size) is seen in the \(side) \(zone) lung.",
        ]
        if lesion.level == 3 { options.append("There is a large \(size) nodular mass in the \(side) \(zone) lung.") }
        say(options)
    }

    private mutating func deviceA(_ lesion: Lesion, _ side: String) {
        switch lesion.kind {
        case .pacemaker:
            let leads =
                lesion.variant == 0 ? pick(["single-lead", "single lead"]) : pick(["dual-lead", "dual chamber"])
            say([
                "A \(side)-sided \(leads) pacemaker is in place.",
                "\(side.sentenceStart) chest wall \(leads) pacemaker is present.",
                lesion.variant == 0
                    ? "A \(side) pacemaker is seen with a single lead in the right ventricle."
                    : "A \(side) pacemaker is seen with leads in the right atrium and right ventricle.",
            ])
        case .endotrachealTube:
            let place = [
                ["ends at the level of the clavicles and is high", "is high, with the tip at the thoracic inlet"],
                ["terminates above the carina in good position", "has its tip in the mid trachea"],
                [
                    "extends into the right main bronchus and should be withdrawn",
                    "terminates in the right mainstem bronchus",
                ],
            ][lesion.variant]
            say(["The endotracheal tube \(pick(place)).", "An endotracheal tube \(pick(place))."])
        case .nasogastricTube:
            let place = [
                ["courses below the diaphragm into the stomach", "has its tip in the stomach"],
                [
                    "ends in the esophagus above the diaphragm and should be advanced",
                    "has its tip in the distal esophagus",
                ],
            ][lesion.variant]
            say(["The nasogastric tube \(pick(place)).", "A nasogastric tube \(pick(place))."])
        case .chestTube:
            let place =
                lesion.variant == 0
                ? pick(["at the apex", "directed to the apex"]) : pick(["at the base", "directed to the base"])
            say([
                "A \(side) chest tube is present with its tip \(place).",
                "\(side.sentenceStart)-sided chest tube \(place).",
            ])
        default:
            let way = [
                ["internal jugular central venous line", "jugular central line"],
                ["subclavian central venous line", "subclavian central line"],
                ["PICC line", "upper extremity PICC line"], ["chest port central line", "port catheter line"],
            ][lesion.level]
            let tip = [
                ["in the upper SVC", "in the upper superior vena cava"],
                ["at the cavoatrial junction", "at the junction of the SVC and right atrium"],
                ["in the right atrium", "deep in the right atrium"],
            ][lesion.variant]
            let name = pick(way)
            let place = pick(tip)
            say([
                "A \(side) \(name) ends \(place).", "\(side.sentenceStart) \(name) with its tip \(place).",
                "There is a \(side)-sided \(name) whose tip lies \(place).",
            ])
        }
    }

    // MARK: What else can be seen

    mutating func factsA() {
        switch plan.volume {
        case .low:
            say([
                "Lung volumes are low.", "There are low lung volumes.",
                "Inspiratory effort is poor with low lung volumes.",
            ])
        case .high:
            say([
                "The lungs are hyperinflated.", "Hyperinflation of the lungs with flattened diaphragms.",
                "The lungs are hyperexpanded with flattening of the hemidiaphragms.",
            ])
        case .normal: break
        }
        switch plan.exposure {
        case .under:
            say(["The film is underpenetrated.", "The study is underexposed.", "Exam is limited by underpenetration."])
        case .over: say(["The film is overpenetrated.", "The study is overexposed.", "Overpenetrated technique."])
        case .normal: break
        }
        if let side = plan.rotation?.rawValue {
            say([
                "The patient is rotated to the \(side).", "There is rotation to the \(side).",
                "Patient rotation toward the \(side) is noted.",
            ])
        }
        if plan.isLarge {
            say(["Large body habitus.", "The exam is limited by large body habitus.", "Obese body habitus."])
        }
        if let side = plan.trachea?.rawValue {
            say(["The trachea is deviated to the \(side).", "There is tracheal deviation to the \(side)."])
        }
        switch plan.knob {
        case .prominent:
            say(["The aortic knob is prominent.", "Prominent aortic arch.", "There is enlargement of the aortic knob."])
        case .calcified:
            say([
                "The aortic knob is calcified.", "Atherosclerotic calcification of the aortic arch.",
                "Calcified aortic arch.",
            ])
        case .normal: break
        }
        if let side = plan.hilum?.rawValue {
            say([
                "The \(side) hilum is enlarged.", "Prominent \(side) hilum.", "There is fullness of the \(side) hilum.",
            ])
        }
        if let side = plan.granulomaSide?.rawValue {
            let zone = plan.granulomaZone.name
            say([
                "Calcified granuloma in the \(side) \(zone) lung.",
                "A tiny calcified granuloma is noted in the \(side) \(zone) lung zone.",
            ])
        }
        if let side = plan.elevation?.rawValue {
            say([
                "The \(side) hemidiaphragm is elevated.", "There is elevation of the \(side) hemidiaphragm.",
                "Elevated \(side) hemidiaphragm.",
            ])
        }
        if plan.hasStomachBubble {
            say([
                "A gastric air bubble is seen.", "Gas is present in the stomach.",
                "Air-filled stomach below the left hemidiaphragm.",
            ])
        }
        if let side = plan.scoliosis?.rawValue {
            say([
                "Scoliosis of the thoracic spine convex to the \(side).", "There is \(side) convex thoracic scoliosis.",
            ])
        }
        if plan.hasSternotomy {
            say([
                "Median sternotomy wires are intact.", "The patient is status post median sternotomy.",
                "Sternotomy wires are present.",
            ])
        }
        if let side = plan.clips?.rawValue {
            say(["Surgical clips in the \(side) axilla.", "Surgical clips project over the \(side) axilla."])
        }
        if plan.hasMonitorLeads {
            say(["Monitoring leads overlie the chest.", "External ECG leads overlie the thorax."])
        }
    }

    // MARK: What is absent

    mutating func negationsA() {
        var options: [String] = []
        let noEffusion = !plan.has(.effusion)
        let noAir = !plan.has(.pneumothorax)
        if noEffusion && noAir {
            options.append(
                pick(["No pleural effusion or pneumothorax.", "No pneumothorax or pleural effusion is seen."]))
        } else if noEffusion {
            options.append(pick(["No pleural effusion.", "There is no pleural effusion."]))
        } else if noAir {
            options.append(pick(["No pneumothorax.", "There is no evidence of pneumothorax."]))
        }
        if !plan.has(.cardiomegaly) {
            options.append(
                pick([
                    "Heart size is normal.", "The cardiac silhouette is within normal limits.",
                    "The heart is normal in size.",
                ]))
        }
        if !plan.has(.consolidation) {
            options.append(
                pick([
                    "No focal consolidation.", "No focal airspace consolidation is identified.",
                    "No evidence of pneumonia.",
                ]))
        }
        if !plan.has(.nodule) && plan.granulomaSide == nil {
            options.append(pick(["No suspicious nodule.", "No pulmonary nodule or mass."]))
        }
        if plan.lesions.isEmpty && plan.granulomaSide == nil {
            options.append(pick(["The lungs are clear.", "Lungs are clear bilaterally."]))
        }
        if plan.exposure == .normal { options.append("Penetration is adequate.") }
        random.shuffle(&options)
        let count = max(1, min(3, 6 - sentences.count))
        sentences += options.prefix(count)
    }
}
