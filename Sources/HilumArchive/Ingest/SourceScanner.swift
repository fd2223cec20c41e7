import Foundation
import HilumCore

/// Finds the cases of a SOURCE: a manifest, a folder with one, a folder of images and texts, or one file.
enum SourceScanner {
    /// Folders within each other that are looked into.
    private static let depthLimit = 64

    /// - Throws: `.notFound` for a path that is not there or a folder without cases, `.badRequest` for another kind of file.
    static func scan(_ source: String) throws(ArchiveError) -> [SourceItem] {
        var path = source.hasPrefix("/") ? source : FileManager.default.currentDirectoryPath + "/" + source
        while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ArchiveError(.notFound, "\(source): there is no such file or folder")
        }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in ["cases.jsonl", "cases.csv"] where access("\(path)/\(name)", F_OK) == 0 {
                return try Manifest.read("\(path)/\(name)")
            }
            let items = try folder(path)
            guard !items.isEmpty else {
                throw ArchiveError(.notFound, "\(source): no cases.jsonl, no images and no texts in this folder")
            }
            return items
        }
        let ending = (path as NSString).pathExtension.lowercased()
        if ["jsonl", "ndjson", "csv"].contains(ending) { return try Manifest.read(path) }
        let stem = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
        var found = SourceCase(place: path, name: path, id: stem)
        if ImageKind.isNamedAsImage(path) {
            found.imagePaths = [path]
        } else if ending == "txt" {
            found.reportPath = path
        } else {
            throw ArchiveError(
                .badRequest, "\(source): neither an image (PNG, JPEG), a text (.txt) nor a manifest (.jsonl, .csv)")
        }
        return [.found(found)]
    }

    /// Images and texts at any depth. Files of one folder with the same stem are one case; an image and a text left over
    /// are one case when no other file left over has their stem (`images/a.png` and `reports/a.txt`). A case is named by the
    /// path of its image, or its text, below the source and without ending.
    private static func folder(_ root: String) throws(ArchiveError) -> [SourceItem] {
        var images: [String] = []
        var texts: [String] = []
        try walk(root, "", depth: 0) { name in
            if ImageKind.isNamedAsImage(name) {
                images.append(name)
            } else if name.lowercased().hasSuffix(".txt") {
                texts.append(name)
            }
        }
        var textOfStem: [String: String] = [:]
        for text in texts { textOfStem[(text as NSString).deletingPathExtension] = text }
        var pairs: [(image: String?, text: String?)] = []
        var imagesLeft: [String] = []
        var used: Set<String> = []
        for image in images {
            let stem = (image as NSString).deletingPathExtension
            if let text = textOfStem[stem], used.insert(text).inserted {
                pairs.append((image, text))
            } else {
                imagesLeft.append(image)
            }
        }
        func name(_ path: String) -> String { ((path as NSString).lastPathComponent as NSString).deletingPathExtension }
        let textsLeft = Dictionary(grouping: texts.filter { !used.contains($0) }, by: name)
        let imagesByName = Dictionary(grouping: imagesLeft, by: name)
        for image in imagesLeft {
            let candidates = textsLeft[name(image)] ?? []
            if candidates.count == 1 && imagesByName[name(image)]?.count == 1 {
                used.insert(candidates[0])
                pairs.append((image, candidates[0]))
            } else {
                pairs.append((image, nil))
            }
        }
        for text in texts where !used.contains(text) { pairs.append((nil, text)) }
        return pairs.map { image, text in
            let first = image ?? text ?? ""
            var found = SourceCase(
                place: "\(root)/\(first)", name: "\(root)/\(first)", id: (first as NSString).deletingPathExtension)
            found.imagePaths = image.map { ["\(root)/\($0)"] } ?? []
            found.reportPath = text.map { "\(root)/\($0)" }
            return SourceItem.found(found)
        }
    }

    /// Calls `body` with the regular files below `root`, in the order of their names. Hidden ones are left out; links to
    /// folders are not followed, so that there are no circles.
    private static func walk(
        _ root: String, _ below: String, depth: Int, _ body: (String) -> Void
    ) throws(ArchiveError) {
        guard depth < depthLimit else { return }
        let folder = below.isEmpty ? root : "\(root)/\(below)"
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
            throw ArchiveError(.io, "\(folder): the folder cannot be read")
        }
        for name in names where !name.hasPrefix(".") {
            let relative = below.isEmpty ? name : "\(below)/\(name)"
            var status = stat()
            guard lstat("\(root)/\(relative)", &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                try walk(root, relative, depth: depth + 1, body)
            } else if stat("\(root)/\(relative)", &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                body(relative)
            }
        }
    }
}
