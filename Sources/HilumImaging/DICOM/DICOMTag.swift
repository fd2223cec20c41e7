/// The tags of a DICOM file that Hilum reads; the raw value is group and element.
///
/// Names of persons are read so that they can be masked where they stand in a report, and are kept nowhere (`ofPersons`).
public enum DICOMTag: UInt32, Sendable, CaseIterable {
    case mediaClass = 0x0002_0002
    case transferSyntax = 0x0002_0010
    case characterSet = 0x0008_0005
    case imageType = 0x0008_0008
    case objectClass = 0x0008_0016
    case object = 0x0008_0018
    case studyDate = 0x0008_0020
    case seriesDate = 0x0008_0021
    case acquisitionDate = 0x0008_0022
    case contentDate = 0x0008_0023
    case accession = 0x0008_0050
    case referringPhysician = 0x0008_0090
    case performingPhysician = 0x0008_1050
    case readingPhysician = 0x0008_1060
    case operators = 0x0008_1070
    case modality = 0x0008_0060
    case manufacturer = 0x0008_0070
    case institution = 0x0008_0080
    case seriesDescription = 0x0008_103E
    case patientName = 0x0010_0010
    case patientID = 0x0010_0020
    case patientIssuer = 0x0010_0021
    case sex = 0x0010_0040
    case otherPatientIDs = 0x0010_1000
    case otherPatientNames = 0x0010_1001
    case age = 0x0010_1010
    case bodyPart = 0x0018_0015
    case viewPosition = 0x0018_5101
    case study = 0x0020_000D
    case series = 0x0020_000E
    case laterality = 0x0020_0060
    case imageLaterality = 0x0020_0062
    case frameCount = 0x0028_0008
    case burnedIn = 0x0028_0301
    case presentationShape = 0x2050_0020

    /// Those whose values are names of persons.
    package static let ofPersons: [DICOMTag] = [
        .patientName, .otherPatientNames, .referringPhysician, .performingPhysician, .readingPhysician, .operators,
    ]
}
