import Foundation
import HilumCore

/// SQLite's FTS5 behind the `sqlite3` of Python: which texts match, by another program.
struct FullTextOracle {
    /// Whether this machine has python3 with an sqlite3 that knows FTS5.
    static let isThere = (try? FullTextOracle(["a"]).matches(["a"])) == [[0]]

    private static let script = """
        import json, sqlite3, sys
        asked = json.load(sys.stdin)
        table = sqlite3.connect(":memory:")
        table.execute("create virtual table texts using fts5(text)")
        table.executemany("insert into texts(rowid, text) values (?, ?)", enumerate(asked["texts"], 1))
        find = "select rowid from texts where texts match ? order by rowid"
        print(json.dumps([[row[0] - 1 for row in table.execute(find, (query,))] for query in asked["queries"]]))
        """

    private let texts: [String]

    /// An oracle over texts.
    init(_ texts: [String]) { self.texts = texts }

    /// For each query in the language of FTS5 the numbers of the texts that match, ascending.
    func matches(_ queries: [String]) throws -> [[Int]] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", Self.script]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // The script reads all before it writes.
        let asked = JSON.object([("texts", .strings(texts)), ("queries", .strings(queries))])
        input.fileHandleForWriting.write(Data(asked.text.utf8))
        try input.fileHandleForWriting.close()
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return try JSON(parsing: Array(answer)[...]).array?.map { $0.array?.compactMap(\.integer) ?? [] } ?? []
    }
}
