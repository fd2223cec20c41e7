import Foundation
import Testing

/// What must hold of the source tree itself: who imports whom, and what has no place in it.
@Suite("The source tree")
struct TidyTests {
    /// The floor a module stands on; a module imports from lower floors only.
    private static let floors: [String: Int] = [
        "CLMDB": 0, "CTurboJPEG": 0, "CSHA2": 0, "CGetopt": 0, "CPNG": 0, "COpenBLAS": 0, "CHilumKernels": 0,
        "CHilumSystem": 0, "CZlib": 0, "CGDCM": 0, "CMicroHTTPD": 0,
        "LMDB": 1, "HilumCore": 1,
        "HilumIndex": 2, "HilumNN": 2, "HilumImaging": 2, "HilumReports": 2, "HilumWords": 2,
        "HilumPrivacy": 2,
        "HilumEmbedding": 3, "HilumPhantom": 3, "HilumDICOM": 3, "HilumDocuments": 3,
        // The archive and the encoder do not know each other.
        "HilumArchive": 4, "HilumMCR": 4,
        "HilumEvaluation": 5, "HilumServer": 5,
        "hilum": 6, "hilum-bench": 6, "hilum-dicom": 6, "hilum-view": 6,
    ]

    /// One Swift module imports each C module; the kernels serve three, calls of the system two.
    private static let fences: [String: Set<String>] = [
        "CLMDB": ["LMDB"], "CTurboJPEG": ["HilumImaging"], "CSHA2": ["HilumCore"], "CGetopt": ["hilum"],
        "CPNG": ["HilumImaging"],
        "COpenBLAS": ["HilumNN"], "CHilumKernels": ["HilumCore", "HilumIndex", "HilumNN"],
        "CHilumSystem": ["HilumArchive", "HilumServer"], "CZlib": ["HilumArchive"], "CGDCM": ["HilumDICOM"],
        "CMicroHTTPD": ["hilum-view"],
    ]

    /// Modules of more than a dozen files that have no folders yet.
    private static let unsorted: Set<String> = []

    @Test("A module imports from lower floors only")
    func importsGoDown() throws {
        let files = try SourceTree.files(in: ["Sources", "Benchmarks"], endingWith: [".swift"])
        #expect(files.count > 20)
        for file in files {
            let floor = try #require(
                Self.floors[file.module], "\(file.path): \(file.module) is not in the table of floors")
            for module in file.imports {
                guard let imported = Self.floors[module] else { continue }
                #expect(imported < floor, "\(file.path) imports \(module), which is not below \(file.module)")
            }
        }
    }

    @Test("Each C module is imported by the Swift module that fences it")
    func cModulesAreFenced() throws {
        for file in try SourceTree.files(in: ["Sources"], endingWith: [".swift"]) {
            for module in file.imports {
                guard let owners = Self.fences[module] else { continue }
                #expect(
                    owners.contains(file.module), "\(file.path) imports \(module), which belongs to \(owners.sorted())")
            }
        }
    }

    @Test("Every module of Sources has a floor, and nothing but the standard library is imported besides")
    func everyModuleIsKnown() throws {
        let platform: Set<String> = [
            "Foundation", "Glibc", "Dispatch", "Synchronization", "PackageDescription", "Testing", "RegexBuilder",
        ]
        for module in try FileManager.default.contentsOfDirectory(atPath: SourceTree.root + "/Sources") {
            guard SourceTree.isFolder("Sources/" + module) else { continue }
            #expect(Self.floors[module] != nil, "Sources/\(module) is not in the table of floors")
        }
        for file in try SourceTree.files(in: ["Sources", "Benchmarks"], endingWith: [".swift"]) {
            for module in file.imports {
                #expect(platform.contains(module) || Self.floors[module] != nil, "\(file.path) imports \(module)")
            }
        }
    }

    @Test("No code crashes where it should throw")
    func nothingIsForced() throws {
        let forced = ["try" + "!", "as" + "!"]
        for file in try SourceTree.files(in: ["Sources", "Benchmarks"], endingWith: [".swift"]) {
            for (number, line) in file.lines.enumerated() {
                for word in forced where SourceTree.code(of: line).contains(word) {
                    Issue.record("\(file.path):\(number + 1): \(word)")
                }
            }
        }
    }

    @Test("JSON is read and written by HilumCore alone, without the coders of Foundation and what only they use")
    func jsonHasOneReaderAndOneWriter() throws {
        let words: Set<Substring> = [
            "JSONEncoder", "JSONDecoder", "JSONSerialization", "Codable", "Encodable", "Decodable", "CodingKey",
        ]
        for file in try SourceTree.files(in: ["Sources", "Benchmarks"], endingWith: [".swift"]) {
            for (number, line) in file.lines.enumerated() where words.contains(where: { line.contains($0) }) {
                let found = SourceTree.code(of: line).split(whereSeparator: { !$0.isLetter }).filter(words.contains)
                for word in found { Issue.record("\(file.path):\(number + 1): \(word)") }
            }
        }
    }

    @Test("Parts of paths come from FilePath: Foundation's own ways end the process for some names")
    func partsOfPathsComeFromFilePath() throws {
        let words = ["deletingLast", "last", "appending"].map { $0 + "PathComponent" }
        let endings = ["path", "deletingPath", "appendingPath"].map { $0 + "Extension" }
        for file in try SourceTree.files(in: ["Sources", "Benchmarks"], endingWith: [".swift"]) {
            for (number, line) in file.lines.enumerated() {
                for word in words + endings where SourceTree.code(of: line).contains(word) {
                    Issue.record("\(file.path):\(number + 1): \(word)")
                }
            }
        }
    }

    @Test("Nothing is left for later")
    func nothingIsLeftForLater() throws {
        let marks = ["TO" + "DO", "FIX" + "ME"]
        let files = try SourceTree.files(
            in: ["Sources", "Benchmarks", "Tests"], endingWith: [".swift", ".c", ".h", ".md"])
        for file in files {
            for (number, line) in file.lines.enumerated() {
                for mark in marks where line.contains(mark) { Issue.record("\(file.path):\(number + 1): \(mark)") }
            }
        }
    }

    @Test("Code is at most 120 characters wide, comments and quoted text apart")
    func linesAreShort() throws {
        for file in try SourceTree.files(in: ["Sources", "Benchmarks", "Tests"], endingWith: [".swift"]) {
            var isQuoted = false
            for (number, line) in file.lines.enumerated() {
                defer { if line.components(separatedBy: "\"\"\"").count % 2 == 0 { isQuoted.toggle() } }
                guard line.count > 120 && !isQuoted else { continue }
                if SourceTree.code(of: SourceTree.unquoted(line)).count > 120 {
                    Issue.record("\(file.path):\(number + 1): \(line.count) characters")
                }
            }
        }
    }

    @Test("Code that reinterprets memory says why that is safe")
    func unsafeBytesAreExplained() throws {
        // The words that reinterpret memory; a file that uses one must hold at least one line on why that is sound.
        let words = ["unsafeBitCast", "assumingMemoryBound", "withMemoryRebound", "Unmanaged"]
        for file in try SourceTree.files(in: ["Sources", "Benchmarks"], endingWith: [".swift"]) {
            let uses = file.lines.contains { line in words.contains { SourceTree.code(of: line).contains($0) } }
            guard uses else { continue }
            #expect(
                file.lines.contains { $0.contains("// Safety:") },
                "\(file.path) has unsafe code and no '// Safety:' line")
        }
    }

    @Test("Parts of paths are found by bytes, for a name may begin with a mark that joins the slash before it")
    func pathsAreBytes() throws {
        let wrong = /hasPrefix\([^)]*"\/"\)|split\(separator: "\/"|dropFirst\((root|folder|inbox)\.count/
        for file in try SourceTree.files(in: ["Sources"], endingWith: [".swift"])
        where ["HilumArchive", "HilumServer", "HilumCore", "hilum"].contains(file.module) {
            // Neither is of files: values of an XML element, a share `i/n`, names in a list of files.
            if ["OpenIReport.swift", "EmbedRows.swift", "SnapshotManifest.swift", "JSONReadable.swift"].contains(
                where: file.path.hasSuffix)
            {
                continue
            }
            for (number, line) in file.lines.enumerated() where line.firstMatch(of: wrong) != nil {
                Issue.record("\(file.path):\(number + 1) takes a path apart by characters; use FilePath")
            }
        }
    }

    @Test("A module has at most a dozen source files outside of folders")
    func modulesAreSorted() throws {
        let files = try SourceTree.files(in: ["Sources", "Benchmarks"], endingWith: [".swift"])
        for (module, files) in Dictionary(grouping: files, by: \.module) where !Self.unsorted.contains(module) {
            // Sources/Module/File.swift
            let loose = files.count { $0.path.split(separator: "/").count == 3 }
            #expect(loose <= 12, "\(module) has \(loose) files without a folder that says what they do")
        }
    }

    @Test("The architecture page has at most 150 lines and names every module")
    func architectureFitsOnAPage() throws {
        let page = try #require(try SourceTree.pages().first { $0.path == "Sources/README.md" })
        let lines = page.lines.last == "" ? page.lines.count - 1 : page.lines.count
        #expect(lines <= 150, "Sources/README.md has \(lines) lines; reasons belong into DECISIONS.md")
        let text = page.lines.joined(separator: "\n")
        for module in Self.floors.keys {
            #expect(text.contains("`\(module)`"), "Sources/README.md does not name \(module)")
        }
    }

    @Test("No page refers to a plan that its reader does not have")
    func pagesStandAlone() throws {
        let pages = try SourceTree.pages()
        #expect(pages.count > 8)
        for page in pages {
            for (number, line) in page.lines.enumerated() where line.lowercased().contains("the " + "plan") {
                Issue.record("\(page.path):\(number + 1): \(line)")
            }
        }
    }

    @Test("Every source file that a page of Sources names is there")
    func namedFilesExist() throws {
        for page in try SourceTree.pages() where page.path.hasPrefix("Sources/") {
            for match in page.lines.joined(separator: "\n").matches(of: /`([A-Za-z]+\/[A-Za-z+\/]+\.(swift|h|c))`/) {
                let name = String(match.1)
                if name.contains("VERB") { continue }
                #expect(
                    FileManager.default.fileExists(atPath: SourceTree.root + "/Sources/" + name)
                        || FileManager.default.fileExists(atPath: SourceTree.root + "/" + name),
                    "\(page.path) names \(name)")
            }
        }
    }

    @Test("Every page that a page links to is there")
    func linksLeadSomewhere() throws {
        for page in try SourceTree.pages() {
            let folder = page.path.split(separator: "/").dropLast().joined(separator: "/")
            for match in page.lines.joined(separator: "\n").matches(of: /\]\(([^)#\s]+)\)/) {
                let target = String(match.1)
                if target.contains("://") { continue }
                let path = [SourceTree.root, folder, target].filter { !$0.isEmpty }.joined(separator: "/")
                #expect(FileManager.default.fileExists(atPath: path), "\(page.path) links to \(target)")
            }
        }
    }

    @Test("The top level holds Sources, Tests, Benchmarks, tools, the manifest and the README")
    func topLevelIsBare() throws {
        let allowed: Set<String> = ["Package.swift", "Sources", "Tests", "Benchmarks", "tools", "README.md", "LICENSE"]
        for name in try FileManager.default.contentsOfDirectory(atPath: SourceTree.root) {
            // The demo may leave its folder here; it is not part of the tree.
            if name.hasPrefix(".") || name == "hilum-demo" || name == "Package.resolved" { continue }
            #expect(allowed.contains(name), "\(name) has no place at the top level")
        }
    }
}

/// The files of the package, found from the place of this file.
enum SourceTree {
    struct File {
        /// Relative to the root of the package.
        let path: String
        /// The folder below Sources, Tests or Benchmarks: the module.
        let module: String
        let lines: [String]

        /// The modules this file imports.
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ").map(String.init)
                guard let at = words.firstIndex(of: "import"), at + 1 < words.count, line.first != " " else {
                    return nil
                }
                guard
                    words[..<at].allSatisfy({
                        $0.hasPrefix("@") || ["public", "internal", "private", "package"].contains($0)
                    })
                else { return nil }
                let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
                let name = kinds.contains(words[at + 1]) && at + 2 < words.count ? words[at + 2] : words[at + 1]
                return name.split(separator: ".").first.map(String.init)
            }
        }
    }

    /// The root of the package.
    static let root: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()

    static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: root + "/" + path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// The files below `folders` whose names end in one of `endings`, with their lines.
    static func files(in folders: [String], endingWith endings: [String]) throws -> [File] {
        var files: [File] = []
        for folder in folders {
            guard let names = FileManager.default.enumerator(atPath: root + "/" + folder) else { continue }
            for case let name as String in names where endings.contains(where: name.hasSuffix) {
                let parts = name.split(separator: "/").map(String.init)
                guard parts.count > 1 else { continue }
                let text = String(
                    decoding: try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(folder)/\(name)")), as: UTF8.self)
                let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
                files.append(File(path: "\(folder)/\(name)", module: parts[0], lines: lines))
            }
        }
        return files.sorted { $0.path < $1.path }
    }

    /// The pages of the package: every Markdown file, relative to the root, with its lines.
    static func pages() throws -> [(path: String, lines: [String])] {
        var paths = ["README.md"]
        for folder in ["Sources", "Tests", "Benchmarks", "tools"] {
            guard let names = FileManager.default.enumerator(atPath: root + "/" + folder) else { continue }
            for case let name as String in names where name.hasSuffix(".md") { paths.append("\(folder)/\(name)") }
        }
        return try paths.sorted().map { path in
            let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(path)")), as: UTF8.self)
            return (path, text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
        }
    }

    /// A line without its comment.
    static func code(of line: String) -> String {
        guard let comment = line.range(of: "//") else { return line }
        return String(line[..<comment.lowerBound])
    }

    /// A line without what stands between quotes.
    static func unquoted(_ line: String) -> String {
        var parts = line.split(separator: "\"", omittingEmptySubsequences: false)
        for index in parts.indices where index % 2 == 1 { parts[index] = "" }
        return parts.joined(separator: "\"")
    }
}
