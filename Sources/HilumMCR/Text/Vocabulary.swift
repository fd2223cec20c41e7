import Foundation
import HilumCore

/// The WordPiece pieces of a report encoder and their ids, which are their positions.
///
/// A piece that goes on with a word starts with `##`. The special pieces are found by their text, so that vocabularies
/// published with BERT load with their own ids; a vocabulary from `VocabularyBuilder` has [PAD]=0 [UNK]=1 [CLS]=2 [SEP]=3
/// [MASK]=4. Look-up walks a byte trie whose edges lie in one open-addressing table, so a word costs one probe a byte.
///
/// Thread rule: an immutable value; any number of threads may read it.
public struct Vocabulary: Sendable, Equatable {
    /// The special pieces in the order in which `VocabularyBuilder` numbers them.
    static let specialPieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    /// The largest `vocab.txt` that is read. BERT's largest public vocabularies stay below 2 MiB.
    public static let limitInBytes = 4 << 20

    /// The pieces in the order of their ids.
    public let pieces: [String]
    let padID: Int32
    let unknownID: Int32
    let classID: Int32
    let separatorID: Int32
    let maskID: Int32

    private let trie: PieceTrie

    /// Pieces.
    public var count: Int { pieces.count }

    /// - Throws: `MCRError.badVocabulary` for an empty or double piece, a missing special piece, or too many bytes.
    public init(pieces: [String]) throws(MCRError) {
        let byteCount = pieces.reduce(0) { $0 + $1.utf8.count + 1 }
        guard byteCount <= Self.limitInBytes else {
            throw MCRError(.badVocabulary(reason: "\(byteCount) bytes are more than the limit of \(Self.limitInBytes)"))
        }
        var trie = PieceTrie(byteCount: byteCount)
        var specials: [String: Int32] = [:]
        for (id, piece) in pieces.enumerated() {
            let line = id + 1
            guard !piece.isEmpty else { throw MCRError(.badVocabulary(reason: "line \(line) is empty")) }
            if Self.specialPieces.contains(piece) {
                guard specials.updateValue(Int32(id), forKey: piece) == nil else {
                    throw MCRError(.badVocabulary(reason: "line \(line) repeats \(piece)"))
                }
            } else if !trie.insert(piece, id: Int32(id)) {
                throw MCRError(.badVocabulary(reason: "line \(line) repeats an earlier piece"))
            }
        }
        func special(_ name: String) throws(MCRError) -> Int32 {
            guard let id = specials[name] else {
                throw MCRError(.badVocabulary(reason: "it has no \(name); is this a WordPiece vocab.txt?"))
            }
            return id
        }
        padID = try special("[PAD]")
        unknownID = try special("[UNK]")
        classID = try special("[CLS]")
        separatorID = try special("[SEP]")
        maskID = try special("[MASK]")
        self.pieces = pieces
        self.trie = trie
    }

    /// Reads a `vocab.txt`: UTF-8, one piece a line, LF or CRLF.
    ///
    /// - Throws: `MCRError.badVocabulary`, or `FileError` when the file cannot be read.
    public init(path: String) throws {
        let bytes = try FileIO.read(path, limitInBytes: Self.limitInBytes)
        do {
            try self.init(text: bytes)
        } catch {
            throw error.at(path)
        }
    }

    /// The vocabulary whose `vocab.txt` holds these bytes.
    public init(text bytes: [UInt8]) throws(MCRError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw MCRError(.badVocabulary(reason: "it is not UTF-8"))
        }
        // Split by bytes: a Character may swallow a line feed after a carriage return.
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { line in String(Substring(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)) }
        if lines.last?.isEmpty == true { lines.removeLast() }
        try self.init(pieces: lines)
    }

    /// The bytes of `vocab.txt`: one piece a line. These bytes are part of a model's identity.
    public var text: [UInt8] { Array((pieces.joined(separator: "\n") + "\n").utf8) }

    /// Writes `vocab.txt` in one step.
    public func write(to path: String) throws(FileError) { try FileIO.writeAtomically(path, text) }

    /// The id of a piece, written with its `##` where it goes on with a word.
    public func id(of piece: String) -> Int32? {
        switch piece {
        case "[PAD]": return padID
        case "[UNK]": return unknownID
        case "[CLS]": return classID
        case "[SEP]": return separatorID
        case "[MASK]": return maskID
        default: break
        }
        let (bytes, isContinuation) = PieceTrie.split(piece)
        return bytes.withUnsafeBufferPointer { word in
            let (id, end) = trie.longest(word, from: 0, isContinuation: isContinuation)
            return end == word.count && id >= 0 ? id : nil
        }
    }

    /// Appends the pieces of one normalised word by greedy longest match; a word that cannot be spelt becomes [UNK].
    ///
    /// - Returns: the count of pieces appended.
    /// - Complexity: O(bytes of the word) for words spelt without backing up, which is nearly all of them.
    @inline(__always)
    func appendPieces(of word: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) -> Int {
        let first = ids.count
        var start = 0
        while start < word.count {
            let (id, end) = trie.longest(word, from: start, isContinuation: start > 0)
            if id < 0 {
                ids.removeSubrange(first...)
                ids.append(unknownID)
                return 1
            }
            ids.append(id)
            start = end
        }
        return ids.count - first
    }

    /// Whether two vocabularies have the same bytes.
    public static func == (left: Vocabulary, right: Vocabulary) -> Bool {
        left.count == right.count && zip(left.pieces, right.pieces).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }
}
