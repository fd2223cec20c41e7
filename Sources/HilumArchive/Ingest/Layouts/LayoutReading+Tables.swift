import Foundation
import HilumCore

/// CheXpert and NIH ChestX-ray14.
extension LayoutReading {
    /// CheXpert: a row an image, `Path` with the data set's own folder in front, and a column a finding (1 present, 0 absent, −1
    /// uncertain). The images of a study are one case.
    mutating func readCheXpert(_ table: DataTable, _ file: FoundFile) -> Bool {
        guard table.has("path", "frontal/lateral") else { return false }
        let about: Set<String> = ["path", "sex", "age", "frontal/lateral", "ap/pa", "no finding", "patient_id"]
        let findings = table.columns.filter { !about.contains($0) }
        var cases: [String: SourceCase] = [:]
        for row in table.rows {
            guard let given = row["path"] else { continue }
            let folder = file.folder.isEmpty ? "" : file.folder + "/"
            let short = FilePath.parts(of: given).dropFirst().joined(separator: "/")
            guard let path = [folder + given, folder + short, given, short].first(where: contains) else {
                passedOver.add("row whose image is not there")
                continue
            }
            // In a flat folder each image is a case of its own.
            let id = FilePlace(path: path, role: .image).id
            var item =
                cases[id] ?? SourceCase(place: absolute(path), name: absolute(id), id: id)
            item.imagePaths.append(absolute(path))
            let isLateral = row["frontal/lateral"]?.lowercased() == "lateral"
            item.imageViews.append(isLateral ? "LATERAL" : row["ap/pa"] ?? "FRONTAL")
            if item.fields.view == nil || item.fields.view == "LATERAL" { item.fields.view = item.imageViews.last }
            item.fields.patient = FilePlace.patient(of: path)
            if let age = row["age"] { item.fields.metadata["age"] = age }
            if let sex = row["sex"] { item.fields.metadata["sex"] = sex }
            item.fields.findings = findings.filter { Double(row[$0] ?? "") == 1 }
            cases[id] = item
            claimed.insert(path)
        }
        found += cases.values
        return true
    }

    /// NIH ChestX-ray14: a row an image, its findings between bars.
    mutating func readNIH(_ table: DataTable) -> Bool {
        guard table.has("image index", "finding labels") else { return false }
        for row in table.rows {
            guard let name = row["image index"], let path = image(named: name) else {
                passedOver.add("row whose image is not there")
                continue
            }
            guard claimed.insert(path).inserted else { continue }
            let id = CaseID.canonical(FilePath.withoutEnding(path))
            var item = SourceCase(place: absolute(path), name: absolute(id), id: id)
            item.imagePaths = [absolute(path)]
            item.fields.patient = row["patient id"]
            item.fields.view = row["view position"]
            item.fields.findings = (row["finding labels"] ?? "").split(separator: "|").map { label in
                label.lowercased().replacing("_", with: " ")
            }.filter { $0 != "no finding" }
            for (key, column) in [("age", "patient age"), ("sex", "patient gender"), ("follow_up", "follow-up #")] {
                if let value = row[column] ?? (key == "sex" ? row["patient sex"] : nil) {
                    item.fields.metadata[key] = value
                }
            }
            found.append(item)
        }
        return true
    }
}
