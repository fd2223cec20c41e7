import Foundation
import HilumCore

/// What a site has told of its patients so far: a file that stays with the site, one entry for each update that it made.
///
/// The budget is the patients', not a run's: every update that is made from their cases counts, also one that was thrown away or belongs to
/// another federation. An entry is on disk before its update has a name.
struct PrivacyLedger: Sendable {
    /// An update.
    struct Entry: Sendable, Equatable {
        /// The id of the round that it began with.
        let base: String
        let steps: NoisySteps
        /// Whether its noise came from a seed, and hides nothing from those who know it.
        let isSeeded: Bool
    }

    static let version = 1
    /// An entry takes some 200 bytes, so this is enough for hundreds of thousands.
    private static let limitInBytes = 64 << 20
    let path: String
    private(set) var entries: [Entry] = []
    /// Whether there was no file yet.
    private(set) var isNew = false

    /// Reads the file; a missing one is empty.
    ///
    /// - Throws: `MCRError.badRound` for a damaged one, which is never taken for an empty one, or `FileError`.
    init(path: String) throws {
        self.path = path
        let json: JSON
        do { json = try SealedFile.read(path, limitInBytes: Self.limitInBytes).json } catch let error as FileError
            where error.code == .notFound
        {
            isNew = true
            return
        }
        do {
            let (kind, version): (String, Int) = (try json.member("kind"), try json.member("version"))
            guard kind == "ledger", version == Self.version else { throw JSON.Mismatch("is no ledger of this release") }
            entries = try json.member("updates")
        } catch let error as JSON.Mismatch {
            throw MCRError(.badRound(reason: "\(error)"), path: path)
        }
    }

    /// Runs `body` while no other process does so for the same ledger; the lock is the file `PATH.lock`, which stays.
    ///
    /// - Throws: what `body` throws, or `FileError`.
    static func locked<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        let lock = path + ".lock"
        let descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError(.system(errno: errno), path: lock, call: "open") }
        // Closing the only descriptor lets go of the lock.
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw FileError(.system(errno: errno), path: lock, call: "flock") }
        }
        return try body()
    }

    /// Adds an update and writes the file; only its owner may read it.
    mutating func append(_ entry: Entry) throws {
        entries.append(entry)
        let json = JSON(members: [
            "by": "hilum federate", "kind": "ledger", "version": Self.version,
            "updates": JSON.array(entries.map(\.json)),
        ])
        try SealedFile.write(json, to: path, rights: 0o600)
    }

    /// ε of all updates together.
    func epsilon(delta: Double) -> Double { PrivacyAccountant.epsilon(of: entries.map(\.steps), delta: delta) }
}

extension PrivacyLedger.Entry: JSONReadable, JSONWritable {
    init(json: JSON) throws(JSON.Mismatch) {
        let steps = NoisySteps(
            samplingRate: try json.member("sampling_rate"), noise: try json.member("noise"),
            count: try json.member("steps"))
        guard 0...1 ~= steps.samplingRate, steps.noise > 0, steps.count >= 0 else {
            throw JSON.Mismatch("is out of range")
        }
        self.init(
            base: try json.member("base"), steps: steps, isSeeded: try json.optionalMember("seeded") ?? false)
    }

    var json: JSON {
        JSON(members: [
            "base": base, "sampling_rate": steps.samplingRate, "noise": steps.noise, "steps": steps.count,
            "seeded": isSeeded,
        ])
    }
}
