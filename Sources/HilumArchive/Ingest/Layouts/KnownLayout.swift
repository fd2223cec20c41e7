import Foundation
import HilumCore

/// The layouts of public data sets, and the plain ones, by their names for `--preset`.
///
/// | layout | what it is known by | a case |
/// | --- | --- | --- |
/// | `mimic-cxr` | a table with `study` and `findings` or `impression`; `p10/s50.txt` beside `p10/s50/`; tables with `study_id` and | a study's folder |
/// | | `dicom_id`, `ViewPosition` (metadata) or `subject_id` and labels (CheXpert's, NegBio's) | |
/// | `openi` | XML with `parentImage`; tables with `uid`, and `uid`, `filename`, `projection` | a report with its images |
/// | `chexpert` | a table with `Path` and `Frontal/Lateral` | a study's folder |
/// | `nih14` | a table with `Image Index` and `Finding Labels` | an image |
/// | `manifest` | `cases.jsonl`, `cases.csv` | a row |
/// | `folder` | nothing of these | files of one stem (`FilePlace`), or of one DICOM study (`StudyGroups`) |
/// | `dicom` | only by its name | as `folder` |
public enum KnownLayout: String, Sendable, CaseIterable {
    /// MIMIC-CXR-JPG with its reports.
    case mimic = "mimic-cxr"
    /// The Open-i collection of Indiana University, as XML or as the tables on Kaggle.
    case openi
    /// CheXpert.
    case chexpert
    /// NIH ChestX-ray14.
    case nih14
    /// Images and texts with equal stems.
    case folder
    /// Manifests at any depth.
    case manifest
    /// DICOM files, as a folder.
    case dicom

    /// Reads the tables and XML files among `rest`, and takes away what they name.
    ///
    /// - Parameter only: the layout to look for; nil for all.
    static func read(
        _ root: String, _ rest: inout [FoundFile], _ scan: inout SourceScanner.Scan, only: KnownLayout?
    ) {
        var reading = LayoutReading(root: root, files: rest)
        func isWanted(_ layout: KnownLayout) -> Bool { only == nil || only == layout }
        for file in rest where file.role == .table || file.role == .manifest {
            guard let table = DataTable("\(root)/\(file.path)") else { continue }
            let isKnown =
                isWanted(.chexpert) && reading.readCheXpert(table, file)
                || isWanted(.nih14) && reading.readNIH(table)
                || isWanted(.openi) && reading.takeOpenI(table, file)
                || isWanted(.mimic) && reading.takeSections(table, file)
                || isWanted(.mimic) && reading.takeMetadata(table, file)
                || isWanted(.mimic) && reading.takeLabels(table, file)
            if isKnown { reading.claimed.insert(file.path) }
        }
        if isWanted(.openi) {
            reading.finishOpenI()
            for file in rest where file.role == .markup && reading.readXML(file) { reading.claimed.insert(file.path) }
        }
        if isWanted(.mimic) { reading.finishStudies() }
        scan.items += reading.found.sorted { $0.id < $1.id }.map { .found($0) }
        scan.items += reading.refused
        scan.passedOver.add(reading.passedOver)
        scan.notes += reading.notes
        rest.removeAll { reading.claimed.contains($0.path) }
    }
}

/// What the readers of known layouts share.
struct LayoutReading {
    let root: String
    let files: [FoundFile]
    private let imagesByName: [String: [FoundFile]]
    private let paths: Set<String>
    var found: [SourceCase] = []
    /// Rows that contradict others.
    var refused: [SourceItem] = []
    /// Paths that a case or a reader has used.
    var claimed: Set<String> = []
    var passedOver = PassedOver()
    var notes: [String] = []
    /// Of Open-i's tables, by `uid`.
    var openIReports: [RowKey: DataTable.Row] = [:]
    var openIImages: [RowKey: [(name: String, view: String)]] = [:]
    /// Of MIMIC-CXR's sectioned reports, by study.
    var sections: [RowKey: String] = [:]
    /// Of its table of metadata: the view of an image, by its name without the ending, and the day of a study.
    var views: [RowKey: String] = [:]
    var days: [RowKey: String] = [:]
    /// Of its tables of labels: what is affirmed, by study.
    var labels: [RowKey: [String]] = [:]
    /// Names without endings of images that a report names and that are not there.
    var missingImages: [String] = []
    /// Rows of one key that say different things: nobody can tell which is right, so none is taken.
    var contradicted: Set<RowKey> = []

    /// A row of a table that speaks of what lies beside and below it: another site may have the same number.
    struct RowKey: Hashable {
        /// Of the table, below the source; empty for the source itself.
        let folder: String
        let id: String
    }

    init(root: String, files: [FoundFile]) {
        self.root = root
        self.files = files
        var byName: [String: [FoundFile]] = [:]
        for file in files where file.role == .image {
            byName[FilePath.name(of: file.path), default: []].append(file)
        }
        imagesByName = byName
        paths = Set(files.map(\.path))
    }

    func absolute(_ path: String) -> String { "\(root)/\(path)" }

    /// The image of this name, below `folder` if there is one, or else anywhere below the source; nil where there is a choice.
    func image(named name: String, below folder: String = "") -> String? {
        let all = imagesByName[name] ?? []
        let near = folder.isEmpty ? all : all.filter { FilePath.isBeneath($0.path, folder) }
        let candidates = near.isEmpty ? all : near
        return candidates.count == 1 ? candidates.first?.path : nil
    }

    /// Whether an image of this name lies anywhere below the source.
    func hasImage(named name: String) -> Bool { imagesByName[name] != nil }

    /// Refuses the rows of a key by its name.
    mutating func refuse(_ key: RowKey, _ table: DataTable) {
        guard contradicted.insert(key).inserted else { return }
        refused.append(
            .refused(place: table.path, reason: "\(key.id) stands in two rows that differ; neither is taken"))
    }

    func contains(_ path: String) -> Bool { paths.contains(path) }

    /// A report of named sections; nil when all are empty.
    static func report(_ sections: [(name: String, text: String?)]) -> String? {
        let parts = sections.compactMap { name, text -> String? in
            guard let text = text?.trimmingCharacters(in: .whitespacesAndNewlines), !text.isEmpty else { return nil }
            return "\(name): \(text)"
        }
        return parts.isEmpty ? nil : parts.joined(separator: "\n")
    }
}

/// A table with its columns by name in lower case.
struct DataTable {
    struct Row: Equatable {
        fileprivate let places: [String: Int]
        fileprivate let values: [String]

        /// The cell of a column; nil if there is no such column, or nothing in it.
        subscript(_ column: String) -> String? {
            guard let place = places[column], place < values.count, !values[place].isEmpty else { return nil }
            return values[place]
        }
    }

    let path: String
    /// In lower case.
    let columns: [String]
    /// As they are spelled.
    let names: [String]
    private let reader: TableReader
    private static let byteCountLimit = 1 << 30

    /// Reads the header; nil if the file is no table. A file that ends in `.gz` is unpacked first.
    init?(_ path: String) {
        self.path = path
        guard var bytes = try? FileIO.read(path, limitInBytes: Self.byteCountLimit) else { return nil }
        if FileRole.ending(of: path) == "gz" {
            guard let unpacked = Gzip.unpack(bytes, limitInBytes: Self.byteCountLimit) else { return nil }
            bytes = unpacked
        }
        var reader = TableReader(bytes)
        guard let names = reader.header() else { return nil }
        self.names = names
        columns = names.map { $0.lowercased() }
        self.reader = reader
    }

    func has(_ names: String...) -> Bool { names.allSatisfy(columns.contains) }

    /// The rows that can be read.
    var rows: some Sequence<Row> {
        var places: [String: Int] = [:]
        for (place, name) in columns.enumerated() where places[name] == nil { places[name] = place }
        let known = places
        return sequence(state: reader) { reader in
            while let row = reader.next() {
                if case .fields(let values, _) = row { return Row(places: known, values: values) }
            }
            return nil
        }
    }
}
