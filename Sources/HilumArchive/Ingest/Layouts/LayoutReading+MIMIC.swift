import Foundation
import HilumCore

/// MIMIC-CXR: reports in sections, the table of metadata, and the labels of CheXpert's or NegBio's reader.
extension LayoutReading {
    /// The sectioned reports of MIMIC-CXR: a row a study, a column a section.
    mutating func takeSections(_ table: DataTable, _ file: FoundFile) -> Bool {
        guard table.has("study"), table.has("findings") || table.has("impression") else { return false }
        for row in table.rows {
            guard let study = row["study"] else { continue }
            let report = Self.report([
                ("COMPARISON", row["comparison"]), ("FINDINGS", row["findings"]), ("IMPRESSION", row["impression"]),
                ("REPORT", row["findings"] == nil && row["impression"] == nil ? row["last_paragraph"] : nil),
            ])
            guard let report else { continue }
            let key = RowKey(folder: file.folder, id: study.hasPrefix("s") ? study : "s" + study)
            if let other = sections.updateValue(report, forKey: key), other != report { refuse(key, table) }
        }
        return true
    }

    /// The table of metadata: a row an image, with its view and the day of its study.
    mutating func takeMetadata(_ table: DataTable, _ file: FoundFile) -> Bool {
        guard table.has("dicom_id", "study_id", "viewposition") else { return false }
        var missing = 0
        for row in table.rows {
            guard let name = row["dicom_id"], let study = row["study_id"] else { continue }
            // A part of the data set is what most people have.
            guard ["jpg", "png", "dcm", "jpeg"].contains(where: { hasImage(named: "\(name).\($0)") }) else {
                missing += 1
                continue
            }
            if let view = row["viewposition"] { views[RowKey(folder: file.folder, id: name)] = view.uppercased() }
            if let day = row["studydate"].flatMap(Self.day) {
                days[RowKey(folder: file.folder, id: Self.study(study))] = day
            }
        }
        passedOver.add("row whose image is not there", missing)
        return true
    }

    /// A table of labels, CheXpert's or NegBio's: a row a study, and a column a finding (1 present, 0 absent, −1 uncertain). Where two tables
    /// of one folder have a study, the first one counts; the second says what the first does not.
    mutating func takeLabels(_ table: DataTable, _ file: FoundFile) -> Bool {
        guard table.has("subject_id", "study_id"), table.has("no finding") || table.has("pleural effusion") else {
            return false
        }
        let findings = table.columns.filter { !["subject_id", "study_id", "dicom_id", "no finding"].contains($0) }
        var own: [RowKey: [String]] = [:]
        var isSecond = false
        for row in table.rows {
            guard let study = row["study_id"] else { continue }
            let affirmed = findings.filter { Double(row[$0] ?? "") == 1 }
            let key = RowKey(folder: file.folder, id: Self.study(study))
            guard labels[key] == nil else {
                isSecond = true
                continue
            }
            if let other = own.updateValue(affirmed, forKey: key), other != affirmed { refuse(key, table) }
        }
        labels.merge(own) { first, _ in first }
        if isSecond {
            notes.append("\(absolute(file.path)): of studies that another table has, that one's labels count")
        }
        return true
    }

    private static func study(_ number: String) -> String { number.hasPrefix("s") ? number : "s" + number }

    /// `2180-05-06` of `21800506`; nil for anything else.
    private static func day(_ text: String) -> String? {
        // Some spreadsheets make a number with decimals of it.
        let digits = text.split(separator: ".").first.map(Array.init) ?? []
        guard digits.count == 8, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return "\(String(digits[..<4]))-\(String(digits[4..<6]))-\(String(digits[6...]))"
    }

    /// Gives the studies among the files what the tables say of them. A study's own text comes before sections: it has all of the report.
    mutating func finishStudies() {
        guard !sections.isEmpty || !views.isEmpty || !days.isEmpty || !labels.isEmpty else { return }
        for key in contradicted {
            sections[key] = nil
            labels[key] = nil
        }
        var studies: [String: [FoundFile]] = [:]
        for file in files where !claimed.contains(file.path) {
            let place = FilePlace(path: file.path, role: file.role)
            let isKnown =
                nearest(sections, to: place.id) != nil || nearest(days, to: place.id) != nil
                || nearest(labels, to: place.id) != nil || file.role == .image && view(of: file.path) != nil
            if isKnown { studies[place.group, default: []].append(file) }
        }
        var finder = CaseFinder(root: root)
        var used: Set<RowKey> = []
        for group in studies.values {
            for var item in finder.cases(ofGroup: group) {
                if let (key, report) = nearest(sections, to: item.id) {
                    if !item.hasReport { item.report = report }
                    used.insert(key)
                }
                if let (_, day) = nearest(days, to: item.id) { item.fields.date = day }
                if let (key, findings) = nearest(labels, to: item.id) {
                    if item.fields.findings.isEmpty { item.fields.findings = findings }
                    used.insert(key)
                }
                describeViews(of: &item)
                found.append(item)
            }
            claimed.formUnion(group.map(\.path))
        }
        passedOver.add(finder.passedOver)
        passedOver.add("row whose image is not there", Set(sections.keys).union(labels.keys).subtracting(used).count)
    }

    /// Puts frontal images first, with the view of each.
    private func describeViews(of item: inout SourceCase) {
        let known = item.imagePaths.map { (path: $0, view: view(of: FilePath.relative($0, to: root) ?? $0)) }
        guard known.contains(where: { $0.view != nil }) else { return }
        func isSide(_ view: String?) -> Bool { view == "LATERAL" || view == "LL" }
        let ordered = known.filter { !isSide($0.view) } + known.filter { isSide($0.view) }
        item.imagePaths = ordered.map(\.path)
        item.imageViews = ordered.map { $0.view ?? "" }
        item.fields.view = item.imageViews.first { !$0.isEmpty }
    }

    private func view(of path: String) -> String? {
        let name = FileRole.stem(of: FilePath.name(of: path))
        return views.isEmpty ? nil : nearest(views, to: "\(FilePath.folder(of: path))/\(name)")?.value
    }

    /// The row of the nearest table above a study or an image.
    private func nearest<Value>(_ rows: [RowKey: Value], to id: String) -> (key: RowKey, value: Value)? {
        guard !rows.isEmpty else { return nil }
        let name = FilePath.name(of: id)
        var folder = id
        while let slash = folder.utf8.lastIndex(of: UInt8(ascii: "/")) {
            folder = String(folder[..<slash])
            let key = RowKey(folder: folder, id: name)
            if let value = rows[key] { return (key, value) }
        }
        let key = RowKey(folder: "", id: name)
        return rows[key].map { (key, $0) }
    }
}
