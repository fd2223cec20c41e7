import HilumCore

/// The general language of radiology reports and case notes, far wider than what the phantoms show.
///
/// Written for this project from common usage; it feeds the vocabulary builder, not the drawing.
public enum RadiologyWording {
    /// `count` sentences of report prose and clinical notes, a pure function of `seed`.
    ///
    /// Sentence `i` does not depend on `count`.
    public static func sentences(count: Int, seed: UInt64) -> [String] {
        precondition(count >= 0, "the count must not be negative")
        return (0..<count).map { index in
            var random = SeededGenerator(seed: seed, keys: 77, UInt64(index))
            var text = fill(random.pick(templates), &random, depth: 0)
            text = text.sentenceStart
            return text.hasSuffix(".") ? text : text + "."
        }
    }

    /// Replaces each `{slot}` by one of its fillings, which may hold slots themselves.
    private static func fill(_ template: String, _ random: inout SeededGenerator, depth: Int) -> String {
        var out = ""
        var rest = Substring(template)
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            out += rest[..<open]
            let name = String(rest[rest.index(after: open)..<close])
            if name == "age" {
                out += String(18 + random.integer(below: 78))
            } else if name == "mm" {
                out += String(2 + random.integer(below: 60))
            } else if name == "n" {
                out += String(1 + random.integer(below: 21))
            } else if name == "level" {
                out += "T\(1 + random.integer(below: 12))"
            } else if depth < 4, let options = slots[name] {
                out += fill(random.pick(options), &random, depth: depth + 1)
            }
            rest = rest[rest.index(after: close)...]
        }
        return out + rest
    }

    static let slots: [String: [String]] = [
        "side": ["left", "right", "bilateral", "left", "right"],
        "lr": ["left", "right"],
        "lobe": [
            "upper lobe", "lower lobe", "middle lobe", "lingula", "lung base", "lung apex", "upper lung zone",
            "midlung", "perihilar region", "retrocardiac region", "costophrenic angle", "apical segment",
            "posterior basal segment", "superior segment",
        ],
        "deg": [
            "mild", "minimal", "moderate", "severe", "slight", "marked", "borderline", "subtle", "extensive", "trace",
        ],
        "degly": ["mildly", "minimally", "moderately", "severely", "slightly", "markedly", "stably", "grossly"],
        "opacity": [
            "opacity", "airspace disease", "consolidation", "infiltrate", "atelectasis", "ground glass opacity",
            "interstitial opacities", "reticular opacities", "reticulonodular opacity", "density", "streaky opacity",
            "patchy opacities", "nodular density", "subsegmental atelectasis", "scarring", "platelike atelectasis",
            "pneumonia", "airspace opacification",
        ],
        "adj": [
            "patchy", "focal", "linear", "streaky", "bandlike", "hazy", "ill-defined", "dense", "confluent",
            "scattered", "peripheral", "rounded", "new", "persistent", "chronic", "bibasilar", "multifocal", "diffuse",
        ],
        "bone": [
            "degenerative changes of the thoracic spine", "multilevel degenerative disc disease",
            "anterior osteophytes of the spine", "an old healed rib fracture", "osteopenia",
            "a compression deformity of {level}", "dextroscoliosis", "levoscoliosis", "exaggerated kyphosis",
            "degenerative changes of the shoulders", "acromioclavicular joint arthritis", "a healed clavicle fracture",
            "endplate sclerosis", "diffuse idiopathic skeletal hyperostosis", "spondylosis",
            "wedging of the midthoracic vertebral bodies", "demineralized bones",
            "a remote fracture of the {lr} humerus", "cervical fusion hardware", "bridging osteophytes",
            "a lytic lesion of the {lr} seventh rib",
        ],
        "heartcond": [
            "cardiomegaly", "enlargement of the cardiac silhouette", "left ventricular prominence",
            "left atrial enlargement", "a pericardial effusion", "pulmonary venous congestion",
            "pulmonary vascular congestion", "interstitial pulmonary edema",
            "cephalization of the pulmonary vasculature", "congestive heart failure",
            "pulmonary artery enlargement suggesting pulmonary arterial hypertension", "Kerley B lines",
            "peribronchial cuffing",
        ],
        "aorta": [
            "tortuous", "ectatic", "calcified", "unfolded", "atherosclerotic", "mildly dilated",
            "tortuous and calcified", "prominent", "elongated",
        ],
        "chronic": [
            "emphysema", "COPD", "chronic obstructive pulmonary disease", "bullous disease", "pulmonary fibrosis",
            "interstitial lung disease", "bronchiectasis", "sarcoidosis", "prior granulomatous disease",
            "asbestos exposure with calcified pleural plaques", "old tuberculosis", "cystic fibrosis", "asthma",
            "silicosis", "metastatic disease", "lymphangitic spread of tumor", "radiation fibrosis",
            "chronic bronchitis", "histoplasmosis",
        ],
        "small": [
            "a calcified granuloma", "calcified hilar lymph nodes", "a noncalcified nodule",
            "a nodular density measuring {mm} mm", "a {mm} mm nodule", "calcified mediastinal lymph nodes",
            "scattered calcified granulomas", "biapical pleural thickening", "an azygos lobe", "a nipple shadow",
            "a cavitary lesion", "a spiculated mass", "a bulla", "pleural thickening", "fissural thickening",
            "a small hiatal hernia", "a large hiatal hernia", "eventration of the {lr} hemidiaphragm",
            "an epicardial fat pad", "a lung mass measuring {mm} mm", "hilar adenopathy", "mediastinal widening",
            "paratracheal lymphadenopathy", "tracheal deviation", "free intraperitoneal air", "subcutaneous emphysema",
            "pneumomediastinum", "a hydropneumothorax", "a loculated effusion", "vascular crowding",
            "bronchovascular crowding",
        ],
        "device": [
            "{lr} subclavian central venous catheter", "{lr} internal jugular catheter", "{lr} PICC line",
            "{lr} chest port", "dialysis catheter", "endotracheal tube", "tracheostomy tube", "nasogastric tube",
            "feeding tube", "enteric tube", "{lr} chest tube", "pigtail catheter", "Swan-Ganz catheter",
            "dual lead pacemaker", "implantable cardioverter defibrillator", "AICD", "mitral valve prosthesis",
            "aortic valve replacement", "coronary stent", "intra-aortic balloon pump", "ventriculoperitoneal shunt",
            "vagal nerve stimulator", "loop recorder",
        ],
        "tip": [
            "the mid SVC", "the cavoatrial junction", "the right atrium", "the stomach", "the proximal duodenum",
            "the brachiocephalic vein", "the superior vena cava", "the distal esophagus", "the right ventricle",
            "the mid trachea", "the axilla",
        ],
        "surg": [
            "Median sternotomy wires are intact", "Surgical clips are seen in the {lr} upper quadrant",
            "Postsurgical changes of prior CABG", "Status post {lr} upper lobectomy",
            "Prior {lr} mastectomy with axillary clips", "Cholecystectomy clips are noted",
            "Postoperative changes of {lr} thoracotomy", "Spinal fusion hardware is partially imaged",
            "Sutures project over the {lr} hilum", "Changes of prior esophagectomy with gastric pull-through",
            "Status post {lr} pneumonectomy", "Prior coronary artery bypass grafting",
            "Shoulder arthroplasty is noted on the {lr}", "A surgical staple line is seen in the {lr} apex",
        ],
        "symptom": [
            "cough", "fever", "chest pain", "shortness of breath", "dyspnea", "dyspnoea on exertion", "hemoptysis",
            "wheezing", "weight loss", "night sweats", "productive cough", "dry cough", "fatigue", "myalgia",
            "sore throat", "altered mental status", "syncope", "chills", "hypoxia", "tachycardia", "vomiting",
            "diarrhea", "loss of taste and smell", "trauma", "fall", "motor vehicle accident", "back pain",
            "abdominal pain", "positive PPD", "leg swelling", "palpitations", "hoarseness", "dizziness", "headache",
            "malaise",
        ],
        "who": ["man", "woman", "male", "female", "patient", "gentleman", "lady"],
        "pmh": [
            "hypertension", "diabetes mellitus", "COPD", "coronary artery disease", "asthma", "chronic kidney disease",
            "end-stage renal disease on dialysis", "breast cancer", "lung cancer", "lymphoma", "HIV",
            "atrial fibrillation", "heart failure", "tobacco use", "renal transplantation", "rheumatoid arthritis",
            "sickle cell disease", "cirrhosis", "obesity", "hyperlipidemia", "leukemia", "colon cancer", "stroke",
            "tuberculosis",
        ],
        "bug": [
            "COVID-19", "SARS-CoV-2", "influenza A", "Mycoplasma pneumoniae", "Streptococcus pneumoniae", "Klebsiella",
            "Legionella", "Pneumocystis jirovecii", "tuberculosis", "SARS", "MERS", "Staphylococcus aureus",
            "varicella", "Aspergillus", "respiratory syncytial virus", "Chlamydophila", "Escherichia coli", "Nocardia",
        ],
        "drug": [
            "oseltamivir", "azithromycin", "hydroxychloroquine", "lopinavir and ritonavir", "ceftriaxone", "remdesivir",
            "tocilizumab", "methylprednisolone", "broad-spectrum antibiotics", "levofloxacin",
            "piperacillin-tazobactam", "meropenem", "vancomycin", "interferon", "isoniazid and rifampicin",
            "trimethoprim-sulfamethoxazole", "diuretics", "heparin", "dexamethasone", "supplemental oxygen",
        ],
        "course": [
            "improved", "deteriorated", "remained stable", "was transferred to the ICU", "was intubated",
            "was discharged home", "recovered", "died", "required mechanical ventilation", "was admitted to the ward",
            "was placed on ECMO", "tested negative by PCR", "developed ARDS", "was extubated",
            "required noninvasive ventilation",
        ],
        "neg": [
            "pneumothorax", "pleural effusion", "focal consolidation", "acute bony abnormality",
            "free air under the diaphragm", "acute fracture", "mediastinal widening", "lymphadenopathy",
            "pulmonary edema", "evidence of active disease", "cavitary lesion", "suspicious pulmonary nodule",
            "overt failure", "evidence of tuberculosis", "acute airspace disease", "mass lesion",
            "acute osseous findings", "radiographic evidence of pneumonia", "displaced rib fracture",
            "acute infiltrate", "hilar enlargement", "subdiaphragmatic gas",
        ],
        "normal": [
            "within normal limits", "normal", "unremarkable", "stable", "grossly clear", "intact",
            "normal in size and contour", "grossly unremarkable", "not enlarged", "clear",
        ],
        "organ": [
            "The cardiomediastinal silhouette", "The heart", "The pulmonary vasculature", "The mediastinum",
            "The trachea", "The osseous structures", "The visualized upper abdomen", "The hila",
            "The visualized bony thorax", "The heart size", "The mediastinal contour", "The pleural space",
            "The soft tissues", "The cardiac contour",
        ],
        "study": [
            "chest radiograph", "chest x-ray", "CT of the chest", "high-resolution CT", "PA and lateral views",
            "portable AP view", "prior examination", "outside study", "lateral radiograph", "contrast-enhanced CT",
            "PET scan", "ultrasound",
        ],
        "follow": [
            "Recommend follow-up radiographs in {n} weeks", "Clinical correlation is recommended",
            "Consider CT for further evaluation", "Short interval follow-up is suggested",
            "Comparison with prior studies would be helpful", "Further evaluation with a dedicated CT is recommended",
            "Followup to resolution is recommended", "Correlate clinically",
            "Repeat PA and lateral chest radiographs are suggested",
            "Findings were discussed with the referring physician by telephone",
            "Nonemergent CT may be obtained if clinically indicated", "Attention on followup examinations",
        ],
        "cause": [
            "atelectasis", "pneumonia", "aspiration", "scarring", "edema", "contusion", "infection", "neoplasm",
            "fibrosis", "overlying soft tissue", "vascular crowding", "inflammation", "hemorrhage", "a nipple shadow",
            "volume loss", "chronic lung disease",
        ],
        "time": [
            "since the prior study", "compared to yesterday", "in the interval",
            "when compared with the previous examination", "over the past {n} days", "since {n} months ago",
        ],
    ]

    static let templates = [
        "There is {deg} {adj} {opacity} in the {lr} {lobe}", "{adj} {opacity} within the {lr} {lobe}, likely {cause}",
        "{adj} {opacity} in the {lr} {lobe} may represent {cause} or {cause}",
        "{organ} is {normal}", "{organ} and the lungs are {normal}", "No {neg}", "There is no {neg} or {neg}",
        "No {neg}, {neg}, or {neg}", "No evidence of {neg}", "No definite {neg} is identified", "Negative for {neg}",
        "There is {small} in the {lr} {lobe}", "{small} is noted, unchanged {time}",
        "{small} is seen and may reflect {cause}", "Stable appearance of {small}", "Incidental note is made of {small}",
        "There is {bone}", "{bone} is noted", "Stable {bone}", "Bony structures show {bone} and {bone}",
        "The thoracic aorta is {aorta}", "The aorta is {aorta} with {deg} atherosclerotic calcification of the arch",
        "There is {deg} {heartcond}", "{heartcond} with {side} pleural effusions",
        "The heart is {degly} enlarged with {heartcond}",
        "Findings are consistent with {chronic}",
        "The lungs are hyperexpanded with flattened diaphragms, compatible with {chronic}",
        "Changes of {chronic} are again seen", "Coarsened interstitial markings suggest {chronic}",
        "The {device} terminates in {tip}", "{device} with tip in {tip}",
        "Interval placement of a {device} with the tip projecting over {tip}", "Interval removal of the {device}",
        "The {device} has been advanced and now ends in {tip}", "{surg}",
        "Indication: {age} year old {who} with {symptom} and {symptom}",
        "{age}-year-old {who} with history of {pmh} presenting with {symptom}", "History: {pmh}, {symptom}",
        "Clinical history: {symptom} for {n} days", "Reason for examination: evaluate for {cause}",
        "Preoperative evaluation",
        "Comparison: {study} from {n} days ago", "Comparison: none available", "Technique: {study}",
        "Frontal and lateral views of the chest were obtained", "Two views of the chest",
        "Single portable semi-upright view of the chest",
        "The examination is limited by patient rotation and low lung volumes",
        "{opacity} has {course} {time}", "Interval improvement in {adj} {opacity} {time}",
        "Worsening of the {side} {opacity} {time}", "No significant change {time}",
        "Decreased size of the {lr} pleural effusion {time}",
        "Increased {side} pleural effusion with adjacent compressive atelectasis",
        "{deg} elevation of the {lr} hemidiaphragm",
        "Blunting of the {lr} costophrenic angle suggests pleural thickening or a small effusion",
        "{follow}", "Impression: {deg} {opacity} of the {lr} {lobe}. {follow}",
        "1. {adj} {opacity}. 2. {small}. 3. No {neg}", "No acute cardiopulmonary abnormality",
        "Stable chest without acute disease",
        "A {age}-year-old {who} was admitted on day {n} of illness with {symptom}, {symptom} and {symptom}",
        "RT-PCR of a nasopharyngeal swab was positive for {bug} on day {n}",
        "The {who} was treated with {drug} and {course} after {n} days",
        "Past medical history included {pmh} and {pmh}", "{study} on day {n} showed {side} {adj} {opacity}",
        "CT showed {side} ground glass opacities with peripheral and subpleural distribution",
        "Pneumonia due to {bug} was diagnosed; the {who} {course}",
        "On admission oxygen saturation was {mm} percent on room air, temperature 38.{n} degrees, with lymphopenia",
        "Laboratory tests showed elevated C-reactive protein, D-dimer and {deg} leukocytosis",
        "After {n} days in hospital the {who} {course}",
        "Chest radiograph on day {n} demonstrates progression to {adj} consolidation consistent with ARDS",
        "Bronchoalveolar lavage grew {bug}", "Treatment with {drug} and {drug} was started",
        "Crazy paving pattern and interlobular septal thickening in both lungs",
        "Sputum smear was positive for acid-fast bacilli, consistent with tuberculosis",
        "Bilateral lower zone reticular shadowing with honeycombing in idiopathic pulmonary fibrosis",
        "The {who} returned from travel {n} days ago and reported {symptom}",
        "A cavity with an air-fluid level in the {lr} {lobe} suggests an abscess",
        "Bilateral hilar lymphadenopathy in a {age}-year-old {who} with sarcoidosis",
        "Image quality is degraded by motion and underpenetration",
        "Skin folds and clothing artifact overlie the {lr} hemithorax",
    ]
}
