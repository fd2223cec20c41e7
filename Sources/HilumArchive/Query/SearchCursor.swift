import HilumCore

/// Where a page of hits ends, for the one who asks for the next.
///
/// All pages are cut from one list of `window` hits. The same question to the same archive gives the same list, so a cursor holds what makes
/// sure of that, and the daemon need keep nothing. It keeps the last few lists all the same (`PageMemory`). Its text, in hexadecimal digits:
///
///     0  hash of the question (8) · 8 version of the archive's contents (8) · 16 commit at its opening (8) · 24 generation (4)
///     28 hits that were shown (4) · 32 window (4)
///
/// It is stale when a case was stored, changed or deleted, the generation was switched, or the archive was opened anew after a change.
struct SearchCursor: Equatable {
    /// What asks for the first page.
    static let start = "start"
    /// What the last page says in place of a cursor.
    static let end = "end"
    /// The least length of the list; a page longer than a tenth of it makes it longer.
    static let leastWindow = 1_000
    private static let byteCount = 36

    var question: UInt64
    var contents: UInt64
    var commit: UInt64
    var generation: UInt32
    var offset: UInt32 = 0
    var window: UInt32

    /// Whether another page is cut from the same list.
    func isOfSameList(as other: SearchCursor) -> Bool {
        var other = other
        other.offset = offset
        return self == other
    }

    /// The text of a cursor.
    var text: String {
        var writer = ByteWriter()
        writer.integer(question)
        writer.integer(contents)
        writer.integer(commit)
        writer.integer(generation)
        writer.integer(offset)
        writer.integer(window)
        return hexadecimal(writer.bytes)
    }

    init(question: UInt64, contents: UInt64, commit: UInt64, generation: UInt32, window: Int) {
        self.question = question
        self.contents = contents
        self.commit = commit
        self.generation = generation
        self.window = UInt32(window)
    }

    /// Reads the text of a cursor.
    ///
    /// - Throws: `.badRequest`
    init(_ text: String) throws(ArchiveError) {
        func value(_ digit: UInt8) -> UInt8? {
            switch digit {
            case 48...57: digit - 48
            case 97...102: digit - 87
            default: nil
            }
        }
        let digits = text.utf8.compactMap(value)
        guard digits.count == 2 * Self.byteCount, text.utf8.count == digits.count else { throw Self.isMalformed }
        let bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        do {
            self = try bytes.withUnsafeBytes { bytes in
                var reader = ByteReader(bytes)
                var cursor = SearchCursor(
                    question: try reader.integer(), contents: try reader.integer(), commit: try reader.integer(),
                    generation: try reader.integer(), window: 0)
                cursor.offset = try reader.integer()
                cursor.window = try reader.integer()
                return cursor
            }
        } catch { throw Self.isMalformed }
        guard (1...ArchiveLimits.hitCount).contains(Int(window)), offset < window else { throw Self.isMalformed }
    }

    static var isStale: ArchiveError {
        ArchiveError(.stale, "the archive has changed since the first page; begin again with \(start)")
    }

    private static var isMalformed: ArchiveError {
        ArchiveError(.badRequest, "this is no cursor; begin with \(start), and go on with what the last page said")
    }
}

extension SearchRequest {
    /// A number that tells questions apart whose hits or their order may differ.
    var fingerprint: UInt64 {
        var hash = SHA256()
        for part in parts {
            switch part.query {
            case .text(let text): hash.update("text \(text.utf8.count) \(text)")
            case .id(let id): hash.update("id \(id.utf8.count) \(id)")
            case .image(let bytes):
                hash.update("image \(bytes.count) ")
                bytes.withUnsafeBytes { hash.update($0) }
            case .vector(let vector):
                hash.update("vector \(vector.count) ")
                vector.withUnsafeBytes { hash.update($0) }
            }
            hash.update(" \(part.weight);")
        }
        let settings: [Any?] = [
            ef, isExact, target, minScore, includesSelf, mode, vectorWeight, wordWeight, group, dedup,
        ]
        hash.update(settings.map { $0.map { "\($0)" } ?? "-" }.joined(separator: ";"))
        for condition in filter.conditions {
            hash.update("\(condition.key.utf8.count) \(condition.key) \(condition.isNegated)")
            for value in condition.values {
                switch value {
                case .equal(let text): hash.update("= \(text.utf8.count) \(text)")
                case .range(let lower, let upper):
                    for bound in [lower, upper] { hash.update(bound.map { ".. \($0.utf8.count) \($0)" } ?? "..") }
                }
            }
        }
        return hash.finish().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension Archive {
    /// The cursor of the page that a request asks for, before it; nil for a request without pages.
    ///
    /// - Throws: `.badRequest` for a cursor of another question, `.stale` where the archive has changed.
    func page(of request: SearchRequest, generation: UInt32) throws(ArchiveError) -> SearchCursor? {
        guard let text = request.cursor else { return nil }
        if request.recall != nil {
            throw ArchiveError(.badRequest, "recall and cursor exclude each other; pages are searched with a wide ef")
        }
        if request.mmr != nil {
            throw ArchiveError(.badRequest, "mmr picks hits as a whole, so it has no pages; ask for more hits (k)")
        }
        let window = min(ArchiveLimits.hitCount, max(SearchCursor.leastWindow, 10 * request.k))
        let fresh = SearchCursor(
            question: request.fingerprint, contents: UInt64(attributes.read { $0.version }), commit: openedSnapshot,
            generation: generation, window: window)
        if text == SearchCursor.start { return fresh }
        if text == SearchCursor.end {
            throw ArchiveError(.badRequest, "there is no page behind the last; begin again with \(SearchCursor.start)")
        }
        let cursor = try SearchCursor(text)
        guard cursor.question == fresh.question else {
            throw ArchiveError(
                .badRequest, "the cursor belongs to another question; repeat everything but k and what hits bring")
        }
        guard (cursor.contents, cursor.commit, cursor.generation) == (fresh.contents, fresh.commit, fresh.generation)
        else {
            throw SearchCursor.isStale
        }
        return cursor
    }

    /// Whether nothing has changed since a page was begun.
    func isCurrent(_ cursor: SearchCursor) -> Bool {
        UInt64(attributes.read { $0.version }) == cursor.contents && serving.generation == cursor.generation
    }

    /// The picks of the page; says where it ends.
    func cut(_ found: Found, _ cursor: SearchCursor, k: Int, _ response: inout SearchResponse) -> [Pick] {
        let isWhole = found.picks.count <= Int(cursor.offset) + k
        response.isShortOfPages =
            Int(cursor.offset) + k >= Int(cursor.window) && found.picks.count >= Int(cursor.window)
        let picks = Array(found.picks.dropFirst(Int(cursor.offset)).prefix(k))
        var next = cursor
        next.offset += UInt32(k)
        response.cursor = isWhole || next.offset >= next.window ? SearchCursor.end : next.text
        if picks.count == k { (response.isShortOfFilter, response.isShortOfWork) = (false, false) }
        return picks
    }
}
