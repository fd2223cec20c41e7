import HilumArchive
import HilumCore

/// XML reports of Open-i in an inbox: a report and the images that it names are one case, whichever of them comes first.
extension InboxWatcher {
    /// Takes the XML files among arrivals, and those that waited for an image that has come.
    func takeMarkup(_ arrivals: [InboxLedger.Arrival], _ taken: inout [Taken], _ claimed: inout Set<String>) {
        var files: [(file: FoundFile, index: Int)] = []
        for (index, arrival) in arrivals.enumerated() {
            guard let manifest = arrival.manifest else {
                for file in remembering({ $0.waiting(for: arrival.files) }) { files.append((file, index)) }
                continue
            }
            if manifest.role == .markup { files.append((manifest, index)) }
        }
        guard !files.isEmpty else { return }
        // Images are looked for by name in all of the inbox, as `hilum index` does.
        let all = CaseFinder.files(below: folder)
        for (file, index) in files {
            let path = "\(folder)/\(file.path)"
            guard let (found, missing) = CaseFinder.markup(file, root: folder, among: all) else {
                // One that waited may have gone.
                guard arrivals[index].manifest == file else { continue }
                let stamps = [InboxRun.stamp(of: path)].compactMap(\.self)
                log.refused([path], stamps: stamps, "this XML is no report of Open-i")
                taken[index].verdict = .refused
                continue
            }
            remembering {
                $0.wait(for: missing, file: file)
                $0.note(path, cases: [found])
            }
            taken[index].claims.append((InboxLedger.group(ofNaming: file), found.imagePaths))
            claimed.formUnion(found.imagePaths)
            if let verdict = store([found]).first {
                taken[index].verdict = Self.worse(taken[index].verdict, verdict)
            }
        }
    }

    /// Works on what is remembered, which only the watcher's own thread does; no lock is held meanwhile.
    func remembering<Result>(_ body: (inout InboxMemory) throws -> Result) rethrows -> Result {
        var own = memory.withLock { $0 }
        defer { memory.withLock { $0 = own } }
        return try body(&own)
    }

    /// The case that files are, where the archive knows more of them than the inbox holds; nil when they belong to a case that stays.
    ///
    /// The image of a report may have left, and the manifest of an image.
    func known(_ source: SourceCase) throws -> SourceCase? {
        // An image whose manifest or XML file has left belongs to that one's case.
        for path in source.imagePaths {
            let isTaken = try remembering { try $0.isOfMissingFile(path, id: source.id, archive, below: folder) }
            if isTaken { return nil }
        }
        let found = try source.joined(below: folder) { try archive.get(id: $0) }
        return try archive.withReports(found)
    }
}
