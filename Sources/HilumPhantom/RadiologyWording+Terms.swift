extension RadiologyWording {
    /// Words of radiology, anatomy and the clinic, in lower case, each once; for building a vocabulary.
    public static let terms: [String] = {
        var seen = Set<String>()
        let all = [anatomyWords, findingWords, deviceWords, clinicalWords, descriptiveWords, plainWords, moreWords]
        return all.flatMap { $0.split(whereSeparator: \.isWhitespace).map(String.init) }.filter {
            seen.insert($0).inserted
        }
    }()

    static let anatomyWords = """
        abdomen abdominal acromion acromioclavicular adrenal airway airways alveolar alveoli anatomic anatomical
        anatomy angle angles anterior anteriorly aorta aortic aortopulmonary apex apical apices appendage arch arm
        arterial arteries artery articular atria atrial atrioventricular atrium axilla axillae axillary axis azygos
        base bases basal basilar bicuspid bifurcation biliary body bone bones bony bowel brachial brachiocephalic
        breast breasts bronchi bronchial bronchovascular bronchus calcaneal capsule cardiac cardiomediastinal
        cardiophrenic cardiopulmonary cardiothoracic cardiovascular carina carinal carotid cartilage caudal cava
        caval cavoatrial cavity cells central cephalad cephalic cervical cervicothoracic chamber chambers chest
        clavicle clavicles clavicular colon colonic column contour contours cord corner coronal coronary cortex
        cortical costal costochondral costophrenic costovertebral cranial crus cusp diaphragm diaphragmatic
        diaphragms disc discs disk disks distal distally dorsal duct ductus duodenum endobronchial endplate
        endplates epicardial epigastric esophageal esophagogastric esophagus extremity facet fat femoral fibrous
        field fields fissural fissure fissures flank flexure foramen fossa fundus gallbladder ganglion gastric
        gastroesophageal gland glands glenohumeral glenoid great heart hemidiaphragm hemidiaphragms hemithoraces
        hemithorax hepatic hila hilar hilum hip humeral humerus iliac inferior inferiorly inferolateral infrahilar
        infraclavicular innominate intercostal interlobar interlobular internal interspace interstitial interstitium
        interventricular intervertebral intestinal intestine intimal isthmus joint joints jugular junction
        juxtahilar kidney kidneys knob knuckle laryngeal larynx lateral laterally left leftward leaflet leaflets
        ligament lingula lingular liver lobar lobe lobes lobular lobule lower lumbar lumen luminal lung lungs lymph
        lymphatic lymphatics mainstem mandible manubrium marrow medial medially mediastinal mediastinum medullary
        membrane mesenteric midaxillary midclavicular middle midline midlung midthoracic mitral muscle muscles
        muscular myocardial myocardium nasal neck nerve neural nipple nipples nodal node nodes organ organs
        oropharynx osseous outlet pancreas pancreatic papillary paracardiac paraesophageal parahilar paramediastinal
        paraspinal paratracheal paravertebral parenchyma parenchymal parietal patent pectoral pectoralis pedicle
        pedicles perihilar peribronchial peribronchovascular pericardial pericardium peripheral peripherally
        peritoneal perivascular pharynx phrenic pleura pleural pleuroparenchymal portal posterior posteriorly
        posterolateral prevertebral process processes proximal proximally pulmonary pulmonic quadrant recess
        recesses renal retrocardiac retroperitoneal retrosternal retrotracheal rib ribcage ribs right rightward root
        sacral sacrum scapula scapulae scapular segment segmental segments septa septal septum shoulder shoulders
        silhouette silhouettes sinus sinuses skeletal skeleton skin skull spinal spine spinous spleen splenic
        sternal sternoclavicular sternum stomach subcarinal subclavian subcutaneous subdiaphragmatic subpleural
        subphrenic sulci sulcus superior superiorly supraclavicular suprahilar svc symphysis systemic tendon
        thoracic thoracolumbar thorax thymic thymus thyroid tibial tissue tissues trachea tracheal tracheobronchial
        transverse tricuspid trunk umbilical upper valve valves valvular vascular vasculature vein veins vena venous
        ventral ventricle ventricles ventricular vertebra vertebrae vertebral vessel vessels visceral viscera viscus
        wall walls windpipe xiphoid zone zones
        """

    static let findingWords = """
        abnormal abnormalities abnormality abscess abscesses adenocarcinoma adenopathy aerated aeration air airspace
        alveolitis amyloidosis aneurysm aneurysmal aneurysms angulation ankylosing ankylosis anomalies anomalous
        anomaly anthracosis arteriosclerosis arteriosclerotic arthritic arthritis arthropathy asbestos asbestosis
        ascites aspergilloma aspergillosis aspirated aspiration asymmetric asymmetrical asymmetry atelectases
        atelectasis atelectatic atherosclerosis atherosclerotic atresia atypical barotrauma bleb blebs blastic bleed
        bleeding blunted blunting blurred blurring bowing bronchiectasis bronchiectatic bronchiolitis bronchitic
        bronchitis bronchogenic bronchogram bronchograms bronchopneumonia bulging bulla bullae bullous burden
        calcific calcification calcifications calcified calcinosis calcium callus cancer cancerous carcinoid
        carcinoma carcinomatosis cardiomegaly cardiomyopathy caseating cavitary cavitating cavitation cavitations
        cephalization chronic cicatricial clear cleared clearing clouding coalescent coarctation coarse coarsened
        coin collapse collapsed collection collections complication compressed compression compressive confluence
        confluent congenital congested congestion congestive consolidated consolidation consolidations consolidative
        contusion contusions cor crowded crowding cuffing cyst cystic cysts deformities deformity degeneration
        degenerative demineralization demineralized dense densities density depressed depression dextrocardia
        dextroconvex dextroscoliosis dextrocurvature deviated deviation dilatation dilated dilation disease diseases
        dislocated dislocation disorder displaced displacement dissection distended distension distention distortion
        diverticulum edema edematous effaced effacement effusion effusions elevated elevation elongated elongation
        emboli embolism embolus emphysema emphysematous empyema encapsulated enchondroma endocarditis engorged
        engorgement enlarged enlargement enlarging eventration excavation exostosis expanded expansion expansile
        exudate exudates exudative failure fibroatelectasis fibrocalcific fibrocystic fibroid fibronodular fibrosis
        fibrotic flattened flattening fluffy fluid foci focus fracture fractured fractures fullness fungal gas
        gaseous glass goiter granular granulation granuloma granulomas granulomata granulomatous ground hamartoma
        haze haziness hazy healed healing hematoma hemangioma hematogenous hemopneumothorax hemorrhage hemorrhagic
        hemothorax hernia herniated herniation hernias heterogeneous hiatal hiatus histoplasmosis homogeneous
        honeycomb honeycombing hydropneumothorax hyperaerated hyperaeration hyperdense hyperexpanded hyperexpansion
        hyperinflated hyperinflation hyperlucency hyperlucent hyperostosis hypertension hypertensive hypertrophic
        hypertrophy hypoaerated hypoaeration hypoexpanded hypoinflated hypoinflation hypoplasia hypoplastic
        hypoventilation hypoventilatory impacted impaction implants impression indentation indistinct indistinctness
        induration infarct infarction infected infection infections infectious infiltrate infiltrated infiltrates
        infiltration infiltrative inflammation inflammatory inflated inflation inhomogeneous injuries injury
        insufficiency interruption invasion invasive irregular irregularities irregularity ischemia ischemic kinking
        kyphoscoliosis kyphosis kyphotic larger leak lesion lesions leukemia levoconvex levocurvature levoscoliosis
        lipoma lipomatosis lobulated lobulation loculated loculation loculations loss lucencies lucency lucent
        lymphadenopathy lymphangitic lymphoma lymphomatous lytic malalignment malformation malignancies malignancy
        malignant malunion marking markings mass masses meniscus mesothelioma metastases metastasis metastatic
        micronodular micronodules microcalcifications miliary mottled mucoid mucous mucus multifocal multilobar
        multinodular narrowed narrowing necrosis necrotic necrotizing neoplasia neoplasm neoplasms neoplastic
        neuroma nodular nodularity nodule nodules nonobstructive nonspecific nonunion obliterated obliteration
        obscuration obscured obscures obscuring obstructed obstructing obstruction obstructive occluded occlusion
        opacification opacifications opacified opacities opacity osteoarthritic osteoarthritis osteochondroma
        osteolysis osteolytic osteomyelitis osteopenia osteopenic osteophyte osteophytes osteophytic osteophytosis
        osteoporosis osteoporotic osteosarcoma overaerated overdistended overexpanded overexpansion overinflated
        overinflation paralysis paralyzed parapneumonic parasitic patch patches patchy pectus perforation perfusion
        pericarditis plaque plaques plaquelike platelike plethora pleurisy pleuritis pneumatocele pneumoconiosis
        pneumomediastinum pneumonia pneumonias pneumonitis pneumopericardium pneumoperitoneum pneumothoraces
        pneumothorax polyp postinflammatory postobstructive postprimary progression progressive prominence prominent
        protrusion pseudotumor pus radiodense radiodensities radiodensity radiolucency radiolucent radiopaque
        reaction rarefaction redistribution reflux regurgitation resorption retained retraction reticular
        reticulated reticulation reticulations reticulonodular rheumatic rheumatoid rupture ruptured rounding
        sarcoid sarcoidosis sarcoma scar scarred scarring scars scattered schmorl sclerosis sclerotic scoliosis
        scoliotic secretions septic sequela sequelae sequestration shadow shadows shift shifted shifting silicosis
        solitary spiculated spiculation splinting spondylitis spondylolisthesis spondylosis spondylotic spur
        spurring spurs stable stasis stenosis stenotic stippled straightening strand stranding strands streak
        streaks streaky stricture subluxation subsegmental suppurative swelling swollen syndesmophytes tension thick
        thickened thickening thickness thin thinning thrombosis thrombus tortuosity tortuous tracheomalacia
        tracheostenosis traction transudate trauma traumatic tuberculoma tuberculosis tuberculous tumefaction tumor
        tumors ulcer ulcerated uncoiled uncoiling undermineralized underaerated underinflated underinflation
        unfolded unfolding varices varicose vasculitis ventilatory volume volumes volvulus wedge wedged wedging
        widened widening
        """

    static let deviceWords = """
        abandoned aicd ascending assist balloon band bands battery bioprosthetic biventricular bypass cabg cable
        cables cannula cardioverter catheter catheters cement clip clipped clips coil coils conduit contrast cuff
        defibrillator device devices dialysis dobhoff drain drainage drains ecg ekg electrode electrodes electronic
        endograft endotracheal endovascular enteric external extubated extubation feeding filter fixation foreign
        fusion generator graft grafting grafts groshong hardware hickman icd implant implantable implanted
        instrumentation intact intubated intubation kyphoplasty laminectomy laparoscopic lead leads line lines
        lobectomy loop mastectomy mechanical mediport metal metallic monitor monitoring nasoenteric nasogastric
        needle occluder orogastric orthopedic pacemaker pacer pacing paddle pads permcath picc pigtail pin pins
        plate plates pleurodesis pneumonectomy port portacath ports postoperative postsurgical postthoracotomy
        prosthesis prostheses prosthetic pump reservoir resected resection rod rods screw screws shunt sheath snap
        staple staples stent stents sternotomy stimulator surgeries surgery surgical surgically suture sutures swan
        ganz tavr telemetry tesio thoracentesis thoracoscopy thoracostomy thoracotomy tip tips tracheostomy
        transplant transplantation transvenous tube tubes tunneled valvuloplasty ventilated ventilation ventilator
        vertebroplasty vp wire wires wired coiled withdrawn withdraw advance advanced advancement reposition
        repositioned repositioning retracted malposition malpositioned position positioned positioning positions
        placement placed replaced replacement removal removed inserted insertion terminates terminate terminating
        projects projected projecting projection projections overlies overlie overlying overlap overlapping courses
        coursing extends extending entering enters looped
        """

    static let clinicalWords = """
        abuse ache acute admission admitted adult afebrile age aged agitation aids alcohol alcoholic allergic
        allergy allergies altered ambulatory amoxicillin anemia anemic anesthesia angina angiogram angiography
        angioplasty antibiotic antibiotics antibody anticoagulation anticoagulated antigen antiviral anxiety aphasia
        appetite ards arrest arrhythmia arrhythmias arthralgia asthma asthmatic asymptomatic auscultation autoimmune
        azithromycin bacteremia bacteria bacterial baseline bedside bilirubin biopsies biopsy blood bradycardia
        breath breathing breathless breathlessness bronchodilator bronchoscopic bronchoscopy bronchoalveolar bun
        ceftriaxone chemotherapy chf child children chills chloroquine cigarette clinic clinical clinically
        coagulopathy cocaine coma comorbidities complain complained complaining complains complaint complaints
        complicated confusion consciousness copd corona coronavirus corticosteroid corticosteroids cough coughing
        covid cpap creatinine crackles crohn culture cultures cured cyanosis cyanotic cytology day days dead death
        deceased decompensated decompensation deficiency dehydration delirium deterioration deteriorated
        deteriorating developed diabetes diabetic diagnosed diagnoses diagnosis diagnostic dialyzed diarrhea died
        dimer discharge discharged discomfort disorientation distress diuresis diuretic diuretics dizziness dose
        drug drugs dysphagia dyspnea dyspnoea dysuria echocardiogram echocardiography ecmo elderly elective
        electrolyte embolization emergency emesis epilepsy episode episodes erythrocyte esrd etiologies etiology
        evaluate evaluated evaluation examination exertion exertional exposed exposure expired fall falls fatigue
        favipiravir febrile fell female fever fevers fibrillation followup flu flutter former gastrointestinal
        gender general geriatric glucose headache headaches healthy hematemesis hematology hemodialysis hemodynamic
        hemoglobin hemoptysis hepatitis hiv history hodgkin homeless hospital hospitalisation hospitalised
        hospitalization hospitalized hydroxychloroquine hypercapnia hypercapnic hyperglycemia hyperlipidemia
        hypoglycemia hypotension hypotensive hypothyroidism hypoxemia hypoxemic hypoxia hypoxic icu idiopathic
        illness immune immunity immunocompetent immunocompromised immunodeficiency immunosuppressed
        immunosuppression impairment improved improvement inability incidental incidentally indication indications
        infant influenza inhalation inhaled inhaler initial injection inotropes inpatient insulin intensive
        interleukin intermittent intravenous intravenously irradiation isolation laboratory lactate leukocytes
        leukocytosis leukopenia lethargy levofloxacin linezolid lopinavir ritonavir remdesivir tocilizumab lupus
        lymphocyte lymphocytes lymphocytopenia lymphopenia male malaise man medical medication medications medicine
        melanoma melena meningitis menopausal mers methylprednisolone monoclonal month months moxifloxacin mucosa
        murmur myalgia myalgias myeloma myopathy nausea nebulizer negative neonatal neonate nephrectomy nephropathy
        neurologic neurological neutropenia neutropenic neutrophil neutrophils newborn night nocturnal nurse obese
        obesity obtained obtundation occupation occupational oncologic oncology onset operated operation operative
        oral orthopnea oseltamivir outcome outpatient overdose overnight oximetry oxygen oxygenation pain painful
        pains palpitations palpitation panel paresis pathogen pathogens pathologic pathologically pathology patient
        patients pcr pediatric peep penicillin percussion persistent persists pharyngitis phlegm physical physician
        piperacillin plasma platelet platelets pleuritic pneumococcal pneumococcus pneumocystis polymerase
        postpartum ppd prednisone pregnancy pregnant preop preoperative presentation presented presenting presents
        pressure preterm previously primary procalcitonin procedure productive prognosis prone prophylaxis prostate
        protein psychiatric pulse purulent radiation radiotherapy rales rash rate reactive recent recently recovered
        recovering recovery rectal recurrence recurrent referred regimen rehabilitation relapse relapsed respiration
        respirator respirations respiratory resuscitated resuscitation reverse rhinorrhea rhonchi rigors sats
        saturation saturations screening sedated sedation seizure seizures sepsis serology serum severe shock
        shortness sickle smoke smoker smokers smoking sore sputum staphylococcal staphylococcus status steroid
        steroids stool streptococcal streptococcus stroke sudden suffocation sars supplemental supine support
        suspected suspicion swab swabs sweats swallowing symptom symptomatic symptoms syncope syndrome syndromes
        systolic diastolic tachycardia tachypnea tamponade tazobactam temperature tenderness test tested testing
        tests therapies therapy throat thyroidectomy tiredness tobacco transcriptase transfer transferred
        transfusion transplanted travel travelled treated treatment treatments troponin tuberculin unconscious unit
        unknown unresponsive unwell urinary urine vaccinated vaccination vaccine vancomycin varicella viral virus
        viruses visit vital vitals vomiting ward weakness weaned weaning week weeks weight wheeze wheezes wheezing
        woman workup worsened worsening wuhan year years young
        """
}
