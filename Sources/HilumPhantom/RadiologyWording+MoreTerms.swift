extension RadiologyWording {
    static let descriptiveWords = """
        absence absent accentuated accentuation adequate adequately adjacent aforementioned aligned alignment
        allowing ample anteroposterior apparent apparently appearance appearances appeared appearing appears
        approximately appropriate appropriately area areas arising artifact artifacts artifactual aspect aspects
        assessed assessment associated attenuated attenuation atop average balanced bibasal bibasilar bilateral
        bilaterally biapical blunt borderline bounded brisk broad caliber centered centimeter centimeters centrally
        change changed changes changing characteristic characterized circumferential circumscribed coexistent
        comparable compare compared comparing comparison compatible complete completely component components
        composed concave concern concerning concerns confirm confirmation confirmed configuration conspicuity
        conspicuous consistent contiguous continued continues contralateral contributing convex convexity correlate
        correlated correlation corresponding could crescentic current currently curvature curved curvilinear
        decrease decreased decreases decreasing defined definite definitely definitive degree degrees demarcated
        demonstrable demonstrate demonstrated demonstrates demonstrating dependent depth detail detected determine
        diagonally diameter differential difficult diffuse diffusely diminished dimension dimensions discernible
        discoid discrete disproportionate distinct distribution doubt dramatic early effort either ellipsoid
        elsewhere entire entirely equivocal evaluable evident evidence exaggerated examined exams exclude excluded
        exclusion exhibit existing expected expiration expiratory explain extensive extent extrapulmonary extrinsic
        faint faintly favor favored feature features film films finding findings fine finely flat focal focally
        follow followed following form formation frank free frontal full fully further given global grade gradual
        grossly gross hemithoracic high higher highly horizontal horizontally identifiable identified image images
        imaged imaging inadequate inappreciable included including incomplete incompletely increase increased
        increases increasing indeterminate indicate indicated indicates indicating indicative inspiration
        inspiratory inspired intensity interim interpretation interval intervening intrathoracic involved
        involvement involves involving ipsilateral isolated large largely largest late layering length less lesser
        level levels likely limit limitation limitations limited limiting limits linear linearly localized located
        location long longstanding lordotic lost low marginal margin margins marked markedly maximal maximum mean
        measurable measure measured measurement measurements measures measuring midportion mild mildly millimeter
        millimeters minimal minimally minimum minor mixed moderate moderately modest morphology multilevel multiple
        near nearly new newly nonacute noncalcified nondisplaced nonenlarged normal normally notable note noted
        numerous oblique obliquely obvious occasional old opaque optimal optimally orientation otherwise outer
        outline outlined outlines outside oval overall overexposed overpenetrated overpenetration oblong paired
        partial partially particular pattern penetrated penetration persistence persisting plain plane plausible
        portable portion portions possibility possible possibly posteroanterior potential potentially preexisting
        presence present presumably presumed previous prior priors probable probably pronounced proportion
        questionable quality quantity radiating radiograph radiographic radiographically radiographs radiologic
        radiologist radiology rapid rare range ratio readily reading recommended recommend recommendation reduced
        reduction referable reflect reflecting reflects region regional regions related relation relative relatively
        remain remainder remained remaining remains remnant remote repeat repeated represent representation
        representative represented representing represents resembling residual resolution resolve resolved resolves
        resolving rest result resulting results reveal revealed reveals rotated rotation rotational round rounded
        rotary roughly same satisfactory scan scans secondary seen segmentally selected semiupright semierect
        several severity sharp sharply short should show showed showing shown shows sided sides significance
        significant significantly similar simple single site sites size sized sizes slight slightly small smaller
        smallest smooth smoothly solid somewhat spared sparing spatial speckled specific spherical spread stability
        stabilized stationary strongly structure structures studies study subacute subcentimeter suboptimal
        suboptimally subtle suggest suggested suggesting suggestion suggestive suggests superimposed superimposition
        suspicious symmetric symmetrical symmetry technical technically technique tiny together tomography total
        trace transient typical ultrasound unaltered unchanged uncertain unclear uncomplicated underexposed
        underlying underpenetrated underpenetration unenlarged unexpected unexplained uniform unilateral unlikely
        unremarkable unusual upright erect vague vaguely variant variation variable varied vertical vertically view
        viewed views visible visibility visualization visualize visualized volumetric warranted warrant weighted
        well wellness whole wide widespread within without worse xray xrays yesterday
        """

    static let plainWords = """
        a about above across additional additionally after again against ago all almost along also although am among
        amount an and another any appear approach are around as at available away back based be because become been
        before behind being below beneath best better between beyond both bottom but by can cannot case cases cause
        caused causes causing certain clearly close closely come common commonly concomitant consider consideration
        considered contain contained contains continue course department despite did different discussed do does
        done down due during each easily eight eighth eleventh end ends enough especially even every except far few
        fifth fifty find first five for forty found four fourth from gave get good greater greatest had half has
        have having he head help her here hers him his home hour hours how however hundred i if immediately
        important in inch include indeed information inner instead into is issue it its itself just keep kind known
        lack last later least let like little look looking lot made main major majority make many may me might mm cm
        more most mostly mother much must my name need needed never next nine ninth no none nor not nothing now
        number of off often on once one only onto open or order other others our out over own part parts per perform
        performed phone place point points poor poorly provide provided rather read received regard regarding report
        reported reports requested required review reviewed reviewing satisfied second see seem seems sent set seven
        seventh she sign signs since six sixth so some something soon standing start started still stop subject such
        suited sure system take taken ten tenth than that the their them then there these they third thirty this
        those though three through throughout time times to today too top toward towards twelfth twelve twenty two
        type under until up upon use used useful using usual usually various versus very via was way we were what
        when where whether which while who will with work would yes yet you your zero ap pa lat cxr ct mri pet ivc
        ra rv la lv et ng og hx sob cp mva uri uti htn dm cad mi afib rll lll rul lul rml ett ngt cvc cvl dvt pe tb
        crp wbc rbc spo2 fio2 ggo hrct bal ptx nsclc aaa ca st pt yo yr mo sarscov2 covid19 sp abg ed er january
        february march april june july august september october november december monday tuesday wednesday thursday
        friday xxxx saturday sunday
        """

    static let moreWords = """
        accessory accumulation acquired active activity adhesion adhesions adjusted adjoining aerophagia agenesis
        aggressive alert alternative amputated amputation analysis ankle aortogram aortosclerosis appreciable
        appreciated appreciation arachnoid arcuate attached attention attempt attributable attributed atrophic
        atrophy augmented avulsion background beaded benign bent bifid bizarre blunts boot border borders bridging
        bright bulk bulky bundle butterfly calculus cancellous carry category causative cavitated cholecystectomy
        cholelithiasis circular classic closed closure clothing cluster clustered clusters coarctations coarsening
        cold collar compartment compensated compensatory compliance compromise compromised condition conditions
        conclusive conclusion conclusively congruent consequence consequent consultation consulted contact
        contaminated contents contributory control controlled cooperative costochondritis coverage cramp critical
        crossing crura cylindrical damage dark decade decortication defect defects deflation delayed delineated
        delineation denser deposit deposition depicted describe described descending description designated
        detection developing development developmental deviates diagnose diameters differentiate difficulty digital
        diligent dilute direct directed direction directly disappearance disappeared disuse divided dominant dorsum
        double doubtful draining duration dysplasia dysfunction dystrophic earlier eccentric ectasia ectatic edge
        edges effect effective elevate encasing enhanced enhancement entity equal erosion erosions erosive
        essentially established estimated evaluations evolving exacerbation exam excavatum carinatum excess
        excessive excision excised excluding exophytic exploration extrapleural extraosseous extravasation fashion
        fairly fasting fibrofatty fibrothorax filling filled finger fingers firm flaring flexion floor flow
        fluctuating fluoroscopic fluoroscopy foramina forearm fragment fragmentation fragments frequent friable
        function functional fungus fused gradually granulocytes gunshot hand healthcare heavily heavy height
        hemiparesis heterotopic hereditary hollow homogeneously humidified hypervolemia hydrostatic hyperplasia
        hypersensitivity iatrogenic icteric immature immobile imposed impressive improving inactive inapparent
        incarcerated incident incidence infraction ingestion ingested inhomogeneity innumerable inseparable insult
        intake intentional interface interfaces interpretable interpreted interposed interposition intervention
        interventions intima intraabdominal intraluminal intraparenchymal intrapulmonary invades investigation
        irregularly itching jaw juxtaphrenic kerley keloid knee lamellar laminar lamina layered layers legs limb
        lifting lobulations lobectomies lowermost lying lymphangitis lymphocytic lymphoproliferative macroscopic
        maintained malaligned management manifest manifestation manifestations manifested margination mastoid matter
        maturation meals mediastinitis mediastinotomy milder mineralization mobile mobility monitored morning mosaic
        motion multiseptated mycetoma mycobacterial mycobacterium mycoplasma nearby necessarily necessary negligible
        nephrogenic neurofibromatosis nonvisualization nonvisualized nontuberculous objective observation observe
        observed obviously occult occupied occupying occur occurred occurring opinion opposite oriented origin
        originating ossicle ossification ossified osteoblastic osteochondral osteodystrophy oxygenated paget
        palpable pancreatitis paralytic paraneoplastic paraseptal centrilobular panlobular panacinar parallel
        passage passes path penetrating perfused performing period periosteal periphery peritonitis permanent
        permeative phase phases plan planned pleuropericardial plexus plombage pneumatosis pneumocytes polyarthritis
        popcorn postsurgically postmortem posttraumatic postradiation precise preceding predominance predominant
        predominantly preliminary preserved prevent principal problem produce produced profile program prolonged
        promptly properly proportional proven pulsation pulsations puncture quiescent quiet radial radiate
        reaccumulation reader reason recalled receiving recognized recommendations reexpanded reexpansion refer
        reference refers reflection refractory regress regressed regression regular reidentified relates
        relationship reliable relief rely remodeling resemble resemblance respect respectively response restrictive
        resting retrospect retrospectively reversal reversed reversible ring rim rims routine rudimentary sail
        sarcomatous scheduled scimitar scored secretion sedimentation seat seated semilunar sensitive sensitivity
        septation septations sequential serial series serious service shaped shape shallow sheet shrapnel shrinkage
        sickly signal silhouetting situ situated situs inversus solution source space spaces span spasm specimen
        speculative spheric spike spontaneous spot spots square squaring stage staging star steep step steeple
        strain stretched strong structural subjective subjacent subsegments subsequent subsequently substance
        substantial substantially subtotal subxiphoid succession suffering sufficient summation superficial
        supernumerary suppression suspect suspend swiftly synovial tapered tapering telangiectasia tented tenting
        tethering thorough toxicity toxic tracking tract transition translucent transparency transparent
        transthoracic treating tree trapping triangle triangular tubular tubing twist unaffected unable unavailable
        unaided undetermined undergoing underwent undisplaced unequal unfavorable unilocular unobscured unobstructed
        unresolved unruptured upward upwards urgent utilized vacuole vacuum valvulopathy variety velcro
        ventriculoperitoneal vesicular vigorous visualizes visually waist water waves web wheelchair wholly wood
        worrisome wound wounds yield accident adrenalectomy alcoholism allograft amiodarone antecedent
        antituberculous isoniazid rifampicin pyrazinamide ethambutol clarithromycin doxycycline meropenem imipenem
        cefepime ganciclovir acyclovir voriconazole fluconazole amphotericin itraconazole trimethoprim
        sulfamethoxazole furosemide heparin enoxaparin warfarin aspirin clopidogrel statin metformin amlodipine
        losartan methotrexate rituximab interferon immunoglobulin dexamethasone hydrocortisone paracetamol
        acetaminophen ibuprofen noradrenaline norepinephrine dopamine dobutamine propofol fentanyl midazolam nitric
        oxide tracheotomy hemofiltration plasmapheresis convalescent klebsiella pseudomonas legionella chlamydia
        haemophilus nocardia cryptococcus candida aspergillus coccidioidomycosis blastomycosis histiocytosis
        hantavirus cytomegalovirus adenovirus rhinovirus parainfluenza metapneumovirus syncytial herpes measles
        mumps rubella pertussis anthrax plague tularemia malaria dengue ebola zika enterovirus litres liters minute
        minutes mmhg celsius fahrenheit percent bpm kilograms ferritin albumin transaminases aminotransferase
        eosinophilia eosinophilic eosinophils monocytes basophils hematocrit sodium potassium chloride bicarbonate
        oesophagus oesophageal haemorrhage haemothorax haemoptysis oedema tumour tumours anaemia paediatric
        diarrhoea centre grey colour catheterisation visualised ischaemia aetiology leucocytosis fibre fibres
        calibre localised generalised haematoma
        """
}
