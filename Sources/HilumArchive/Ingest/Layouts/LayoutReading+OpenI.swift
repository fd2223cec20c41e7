import Foundation
import HilumCore

/// Open-i (Indiana University): XML files that name their images, or the two tables on Kaggle.
extension LayoutReading {
    /// Takes `indiana_reports.csv` or `indiana_projections.csv`.
    mutating func takeOpenI(_ table: DataTable, _ file: FoundFile) -> Bool {
        guard table.has("uid") else { return false }
        if table.has("filename", "projection") {
            for row in table.rows {
                guard let uid = row["uid"], let name = row["filename"] else { continue }
                let key = RowKey(folder: file.folder, id: uid)
                openIImages[key, default: []].append((name, row["projection"]?.uppercased() ?? ""))
            }
            return true
        }
        guard table.has("findings") || table.has("impression") else { return false }
        for row in table.rows {
            guard let uid = row["uid"] else { continue }
            let key = RowKey(folder: file.folder, id: uid)
            if let other = openIReports.updateValue(row, forKey: key), other != row { refuse(key, table) }
        }
        return true
    }

    /// Makes a case of each `uid` of the tables of a folder. Below the source, the folder is part of the id.
    mutating func finishOpenI() {
        for key in Set(openIReports.keys).union(openIImages.keys) {
            let row = openIReports[key]
            let id = CaseID.canonical(key.folder.isEmpty ? key.id : "\(key.folder)/\(key.id)")
            var item = SourceCase(place: absolute(id), name: absolute("openi#\(id)"), id: id)
            item.report = Self.report([
                ("COMPARISON", row?["comparison"]), ("INDICATION", row?["indication"]), ("FINDINGS", row?["findings"]),
                ("IMPRESSION", row?["impression"]),
            ])
            let images = (openIImages[key] ?? []).compactMap { name, view in
                image(named: name, below: key.folder).map { ($0, view) }
            }
            passedOver.add("row whose image is not there", (openIImages[key]?.count ?? 0) - images.count)
            take(images, into: &item)
            if contradicted.contains(key) { continue }
            item.fields.findings = SourceCase.list(row?["problems"] ?? "").map { $0.lowercased() }
                .filter { $0 != "normal" }
            guard !item.imagePaths.isEmpty || item.report != nil else {
                passedOver.add("row without an image and a report")
                continue
            }
            found.append(item)
        }
    }

    /// Reads one XML report; false if it is another kind of file.
    mutating func readXML(_ file: FoundFile) -> Bool {
        guard let bytes = try? FileIO.read(absolute(file.path), limitInBytes: ArchiveLimits.reportByteCount) else {
            return false
        }
        let reader = OpenIReport(String(decoding: bytes, as: UTF8.self))
        guard reader.isReport else { return false }
        let id = CaseID.canonical(FilePath.withoutEnding(file.path))
        var item = SourceCase(place: absolute(file.path), name: absolute(id), id: id)
        item.report = Self.report(reader.sections)
        item.fields.findings = reader.findings.map { $0.lowercased() }.filter { $0 != "normal" }
        var images: [String] = []
        for name in reader.images {
            let found = ["png", "jpg", "jpeg", "dcm"].compactMap { image(named: "\(name).\($0)") }
            if let path = found.first { images.append(path) } else { missingImages.append(name) }
        }
        passedOver.add("row whose image is not there", reader.images.count - images.count)
        take(images.map { ($0, "") }, into: &item)
        guard !item.imagePaths.isEmpty || item.report != nil else { return false }
        item.recordPaths = [absolute(file.path)]
        found.append(item)
        return true
    }

    private mutating func take(_ images: [(path: String, view: String)], into item: inout SourceCase) {
        let ordered = images.filter { $0.view != "LATERAL" } + images.filter { $0.view == "LATERAL" }
        item.imagePaths = ordered.map { absolute($0.path) }
        if ordered.contains(where: { !$0.view.isEmpty }) {
            item.imageViews = ordered.map(\.view)
            item.fields.view = item.imageViews.first
        }
        claimed.formUnion(images.map(\.path))
    }
}
