import Foundation
import HilumCore

/// Which case a file belongs to, by its path below the source alone.
///
///     images/2020/a.png   id images/2020/a    group */2020/a        parallel trees differ in one folder
///     reports/2020/a.txt  id reports/2020/a   group */2020/a
///     s1.png  s1_report.txt  s1_lateral.png   id s1                 what a file is stands behind its stem
///     s1_PA.png  s1_PA.txt  s1_PA.json        id s1                 a view is no part of the id, whatever bears it
///     p1/s50.txt  p1/s50/0a.jpg  p1/s50/0b.jpg   id p1/s50          a study's folder (MIMIC-CXR, CheXpert)
///     ward/7/image.png  ward/7/report.txt     id ward/7             a folder a study, with fixed names
///     image.png  report.txt                   id image, report      fixed names in the source itself: one group
///
/// Files of one id are one case. Of one group, an image and a text may be one case (`CaseFinder`). The inbox groups what arrives,
/// and a bulk run all files of a folder, by the same rule, so both give a case the same id whichever file comes first.
package struct FilePlace: Sendable, Hashable {
    /// The case, in the one spelling of ids.
    package let id: String
    /// Files of different groups are never one case.
    package let group: String
    /// The stem without what is said about a thumbnail: two files that share it show the same picture.
    let picture: String
    /// From where the image was made, by its name.
    let view: String?
    /// The kind of parallel tree that the file lies in.
    let tree: Tree?
    /// Whether it is a smaller copy by its name.
    let isThumbnail: Bool

    enum Tree: Sendable, Hashable { case images, texts, records }

    private static let trees: [String: Tree] = {
        var trees: [String: Tree] = [:]
        for name in [
            "images", "image", "img", "imgs", "png", "jpg", "jpeg", "dicom", "dcm", "films", "scans", "xrays", "x-rays",
            "cxr", "radiographs",
        ] { trees[name] = .images }
        for name in ["reports", "report", "texts", "text", "txt", "notes", "befunde"] { trees[name] = .texts }
        for name in ["json", "metadata", "meta"] { trees[name] = .records }
        return trees
    }()
    private static let fixedImages: Set<String> = [
        "image", "img", "xray", "x-ray", "cxr", "radiograph", "scan", "film",
    ]
    private static let fixedTexts: Set<String> = ["report", "text", "befund"]
    private static let fixedRecords: Set<String> = ["metadata", "meta", "info", "case"]
    /// The names that may be one study where they stand in the source itself.
    private static let fixedNames = fixedImages.union(fixedTexts).union(fixedRecords).union(views.keys)
    /// The group of such files; no path gives it.
    static let rootGroup = "/"
    private static let textMarks: Set<String> = ["report", "text", "befund"]
    private static let thumbnailMarks: Set<String> = ["thumb", "thumbnail", "preview", "small"]
    private static let thumbnailFolders: Set<String> = ["thumbs", "thumbnails", "previews", ".thumbnails"]
    private static let views: [String: String] = [
        "frontal": "FRONTAL", "lateral": "LATERAL", "pa": "PA", "ap": "AP", "lat": "LATERAL", "ll": "LL",
    ]

    /// The place of a file.
    ///
    /// - Parameters:
    ///   - path: below the source, without a slash in front.
    ///   - role: what the file is taken for.
    package init(path: String, role: FileRole) { self.init(spelled: CaseID.canonical(path), role: role) }

    /// The group of a file in the spelling of its path.
    static func spelledGroup(of file: FoundFile) -> String { FilePlace(spelled: file.path, role: file.role).group }

    private init(spelled path: String, role: FileRole) {
        var folders = FilePath.parts(of: path)
        let name = folders.popLast() ?? ""
        var stem = FileRole.stem(of: name)
        // `x.png.json` describes `x.png`.
        if role == .record, FileRole.isNamedAsImage(stem) { stem = FileRole.stem(of: stem) }
        var isThumbnail = folders.last.map { Self.thumbnailFolders.contains($0.lowercased()) } ?? false
        if isThumbnail { folders.removeLast() }
        var view: String?
        let base: String
        if role == .text || role == .message {
            base = Self.withoutView(
                Self.split(stem).flatMap { Self.textMarks.contains($0.mark) ? $0.base : nil } ?? stem)
        } else if role == .record {
            base = Self.withoutView(stem)
        } else if role == .image {
            if let (rest, mark) = Self.split(stem), Self.thumbnailMarks.contains(mark) {
                stem = rest
                isThumbnail = true
            }
            let parts = Self.split(stem)
            view = parts.flatMap { Self.views[$0.mark] }
            base = view == nil ? stem : parts?.base ?? stem
        } else {
            base = stem
        }
        let treePlace = folders.firstIndex { Self.trees[$0.lowercased()] != nil }
        tree = treePlace.flatMap { Self.trees[folders[$0].lowercased()] }
        let isStudy =
            Self.isFixed(stem, role) && !folders.isEmpty && treePlace != folders.count - 1
            || role == .image && Self.isStudyFolder(folders)
        let isRoot = folders.isEmpty && Self.fixedNames.contains(base.lowercased())
        if (isStudy || isRoot && role == .image) && view == nil { view = Self.views[stem.lowercased()] }
        let parts = isStudy ? folders : folders + [base]
        id = parts.joined(separator: "/")
        var grouped = parts
        if let treePlace { grouped[treePlace] = "*" }
        group = isRoot ? Self.rootGroup : grouped.joined(separator: "/")
        picture = (folders + [stem]).joined(separator: "/")
        self.view = view
        self.isThumbnail = isThumbnail
    }

    /// What a text or a record is about, where it bears the view of its image.
    private static func withoutView(_ stem: String) -> String {
        split(stem).flatMap { views[$0.mark] == nil ? nil : $0.base } ?? stem
    }

    /// The group of the files that make the case of this id.
    package static func group(ofID id: String) -> String {
        var parts = FilePath.parts(of: id)
        if parts.count == 1 && fixedNames.contains(parts[0].lowercased()) { return rootGroup }
        if let place = parts.dropLast().firstIndex(where: { trees[$0.lowercased()] != nil }) { parts[place] = "*" }
        return parts.joined(separator: "/")
    }

    /// Whether a text of this name by itself is a report, as `report.txt`.
    static func isFixedText(_ id: String) -> Bool { fixedTexts.contains(id.lowercased()) }

    /// Whether a record of this name says what is known of the files beside it, as `metadata.json`.
    static func isFixedRecord(_ id: String) -> Bool { fixedRecords.contains(id.lowercased()) }

    /// The ids that the image of a report may have had: in a parallel tree, or beside it under a fixed name; none for any other report.
    ///
    /// - Parameter id: of the report: `reports/2020/a`, `report`.
    package static func idsOfImages(forReport id: String) -> [String] {
        let parts = FilePath.parts(of: id)
        if parts.count == 1 && isFixedText(id) { return fixedImages.union(views.keys).sorted() }
        guard let place = parts.dropLast().firstIndex(where: { trees[$0.lowercased()] != nil }),
            trees[parts[place].lowercased()] == .texts
        else { return [] }
        return idsOfImages(parts, tree: place)
    }

    /// The ids that a report of this image may have where it waits for it: beside it, or in a parallel tree.
    static func idsOfReports(forImage id: String) -> [String] {
        let parts = FilePath.parts(of: id)
        var ids = [id]
        for place in parts.indices.dropLast() where trees[parts[place].lowercased()] == .images {
            for name in trees.filter({ $0.value == .texts }).keys.sorted() {
                for spelled in [name, name.capitalized, name.uppercased()] {
                    var other = parts
                    other[place] = spelled
                    ids.append(other.joined(separator: "/"))
                }
            }
        }
        return ids
    }

    /// The same for a report of which it is not known which folder the source was.
    ///
    /// - Parameter path: without a slash in front and without its ending.
    static func idsOfImages(forReportAt path: String) -> [String] {
        let parts = FilePath.parts(of: path)
        return parts.dropLast().indices.filter { trees[parts[$0].lowercased()] == .texts }.flatMap { place in
            idsOfImages(parts, tree: place)
        }
    }

    private static func idsOfImages(_ parts: [String], tree place: Int) -> [String] {
        trees.filter { $0.value == .images }.keys.sorted().flatMap { name in
            [name, name.capitalized, name.uppercased()].map { spelled in
                var other = parts
                other[place] = spelled
                return other.joined(separator: "/")
            }
        }
    }

    /// Where the text of an image may lie: beside it, beside its folder, under a fixed name, or in a parallel tree.
    ///
    /// - Parameter path: absolute.
    static func textsOfImage(at path: String) -> [String] {
        let folder = FilePath.folder(of: path)
        let place = FilePlace(path: FilePath.name(of: path), role: .image)
        var stems = [place.id, FileRole.stem(of: FilePath.name(of: path))].map { "\(folder)/\($0)" }
        var parts = FilePath.parts(of: stems[0])
        for index in parts.indices.dropLast() where trees[parts[index].lowercased()] == .images {
            let own = parts[index]
            for name in trees.filter({ $0.value == .texts }).keys.sorted() {
                for spelled in [name, name.capitalized, name.uppercased()] {
                    parts[index] = spelled
                    stems.append("/" + parts.joined(separator: "/"))
                }
            }
            parts[index] = own
        }
        let beside = stems.flatMap { stem in ["\(stem).txt"] + textMarks.sorted().map { "\(stem)_\($0).txt" } }
        return beside + ["\(folder).txt"] + fixedTexts.sorted().map { "\(folder)/\($0).txt" }
    }

    /// `s1_report` is `s1` and `report`; nil without such a mark.
    private static func split(_ stem: String) -> (base: String, mark: String)? {
        guard let place = stem.lastIndex(where: { "_-. ".contains($0) }), place != stem.startIndex else { return nil }
        return (String(stem[..<place]), stem[stem.index(after: place)...].lowercased())
    }

    /// Whether the folder, not the name, says which study it is.
    private static func isFixed(_ stem: String, _ role: FileRole) -> Bool {
        let name = stem.lowercased()
        switch role {
        // Without a number: `img_1.png` and `img_2.png` may be two patients.
        case .image: return fixedImages.contains(name) || views[name] != nil
        case .text, .message: return fixedTexts.contains(name)
        case .record: return fixedRecords.contains(name)
        default: return false
        }
    }

    /// Whether the innermost folder is a study of a patient's folder, as MIMIC-CXR (`p10/s50`) and CheXpert (`patient1/study1`) name
    /// them.
    private static func isStudyFolder(_ folders: [String]) -> Bool {
        guard folders.count > 1 else { return false }
        return isNumbered(folders[folders.count - 1], "s") && isNumbered(folders[folders.count - 2], "p")
            || isNumbered(folders[folders.count - 1], "study") && isNumbered(folders[folders.count - 2], "patient")
    }

    /// The patient of a file in such a tree.
    static func patient(of path: String) -> String? {
        let folders = Array(FilePath.parts(of: path).dropLast())
        for (place, folder) in folders.enumerated().reversed() {
            if isNumbered(folder, "patient") { return folder }
            // A study follows, be it a folder or a report of that name.
            guard isNumbered(folder, "p") else { continue }
            let next =
                place + 1 < folders.count ? folders[place + 1] : FileRole.stem(of: FilePath.name(of: path))
            if isNumbered(next, "s") { return folder }
        }
        return nil
    }

    private static func isNumbered(_ name: String, _ prefix: String) -> Bool {
        name.hasPrefix(prefix) && name.utf8.count > prefix.utf8.count
            && name.utf8.dropFirst(prefix.utf8.count).allSatisfy { (48...57).contains($0) }
    }
}
