import Foundation
import HilumCore
import HilumNN

/// A round of a federation: common weights, what the sites have agreed on, and whose updates the weights were made of.
///
///     ROUND/  weights.safetensors (f32), config.json, vocab.txt    a model folder: any verb that takes a model takes a round
///             round.json                                           number, settings, sites, SHA-256 of the other files
///
///     begin ─► round 0 ─┬─► site A: SiteTraining ─► update ─┬─► merge ─► round 1 ─► …
///                       └─► site B: SiteTraining ─► update ─┘
///
/// Weights are averaged by numbers of cases (McMahan et al. 2017, "Federated averaging", arXiv 1602.05629). What gradients do not
/// train (stem, linear ways, vocabulary) stays as it was in round 0.
/// Thread rule: an immutable value.
public struct FederatedRound: Sendable {
    /// A site whose update is part of the weights.
    public struct Contribution: Sendable, Equatable, JSONReadable, JSONWritable {
        /// Its name.
        public let site: String
        /// Pairs that it trained on.
        public let count: Int
        /// The seal of its update.
        public let update: String

        init(site: String, count: Int, update: String) {
            self.site = site
            self.count = count
            self.update = update
        }

        /// A member of `sites`.
        public init(json: JSON) throws(JSON.Mismatch) {
            self.init(
                site: try json.member("site"), count: try json.member("count"), update: try json.member("update"))
            guard 1...SiteUpdate.mostCases ~= count else { throw JSON.Mismatch("is out of range") }
        }

        /// An object with all members.
        public var json: JSON { JSON(members: ["site": site, "count": count, "update": update]) }
    }

    static let file = "round.json"
    static let version = 1

    /// The folder.
    public let directory: String
    /// From 0.
    public let number: Int
    /// What an update names as its beginning: the seal of `round.json`, which names all files by their hashes.
    public let id: String
    /// What the sites have agreed on.
    public let settings: FederationSettings
    /// Whose updates the weights were made of; empty for round 0.
    public let sites: [Contribution]
    /// The id of the round before; nil for round 0.
    let previous: String?
    /// SHA-256 of the model's files, by name.
    let files: [String: String]

    /// Whether all rounds that were planned are done.
    public var isLast: Bool { number >= settings.roundCount }

    /// Whether a folder holds a round, sound or not.
    public static func isThere(_ directory: String) -> Bool { access(directory + "/" + file, F_OK) == 0 }

    /// Reads a round and checks all of its files.
    ///
    /// - Throws: `MCRError.badRound` for what is damaged or no round, or `FileError`.
    public init(directory: String) throws {
        let path = directory + "/" + Self.file
        guard Self.isThere(directory) else {
            throw MCRError(
                .badRound(reason: "there is no round here; 'hilum federate init' makes the first one"), path: directory)
        }
        let (json, seal) = try SealedFile.read(path)
        self.directory = directory
        id = seal
        do {
            let (kind, version): (String, Int) = (try json.member("kind"), try json.member("version"))
            guard kind == "round", version == Self.version else { throw JSON.Mismatch("is no round of this release") }
            number = try json.member("round")
            settings = try json.member("settings")
            sites = try json.member("sites")
            previous = try json.optionalMember("previous")
            files = try json.member("files")
        } catch let error as JSON.Mismatch {
            throw MCRError(.badRound(reason: "\(error)"), path: path)
        }
        for name in Self.modelFiles {
            guard try FileIO.digest(directory + "/" + name).sha256 == files[name] else {
                throw MCRError(
                    .badRound(reason: "it is damaged or of another round: round.json names another SHA-256"),
                    path: directory + "/" + name)
            }
        }
    }

    static let modelFiles = [MCRModel.weightsFile, MCRModel.configurationFile, MCRModel.vocabularyFile]

    /// The common model of this round.
    public func model() throws -> MCRModel { try MCRModel(directory: directory, precision: .f32) }

    /// Makes round 0 from a model.
    ///
    /// - Throws: `FileError`, also where something stands at `directory` already.
    public static func begin(at directory: String, model: MCRModel, settings: FederationSettings) throws
        -> FederatedRound
    {
        try write(
            directory, model.network, model.values, model.tokenizer, number: 0, previous: nil, settings: settings,
            sites: [])
        return try FederatedRound(directory: directory)
    }

    /// Averages updates that began with this round, weighted by their numbers of cases, into the next round.
    ///
    /// The order of the updates changes no byte. Where the next round stands already, made of the same updates, nothing is done.
    /// - Returns: the next round, and whether it was made now.
    /// - Throws: `MCRError.badRound` naming the first update that cannot be used, `MCRError.badWeights`, or `FileError`.
    public func merge(_ directories: [String], to directory: String) throws -> (round: FederatedRound, isNew: Bool) {
        guard !directories.isEmpty else { throw MCRError(.badRound(reason: "there is no update to merge")) }
        guard !isLast else { throw MCRError(.badRound(reason: doneReason), path: self.directory) }
        let updates = try directories.map { try SiteUpdate(directory: $0) }.sorted {
            $0.site.utf8.lexicographicallyPrecedes($1.site.utf8)
        }
        for update in updates { try update.check(against: self) }
        for (update, next) in zip(updates, updates.dropFirst()) where update.site == next.site {
            throw MCRError(
                .badRound(reason: "site \(next.site) is here twice; give one update of each site"), path: next.directory
            )
        }
        let contributions = updates.map { Contribution(site: $0.site, count: $0.count, update: $0.seal) }
        if Self.isThere(directory) {
            let there = try FederatedRound(directory: directory)
            if there.previous == id && there.sites == contributions { return (there, false) }
            throw MCRError(
                .badRound(reason: "another round stands here already; choose another folder"), path: directory)
        }
        let model = try model()
        let values = ParameterBuffer(count: model.values.count)
        values.pointer.update(from: model.values.pointer, count: values.count)
        try Self.average(updates, model.network, settings.parts, into: values)
        try Self.write(
            directory, model.network, values, model.tokenizer, number: number + 1, previous: id, settings: settings,
            sites: contributions)
        return (try FederatedRound(directory: directory), true)
    }

    /// Writes Σ n·w / Σ n of the trained tensors into `values`, a tensor at a time, in double precision.
    static func average(
        _ updates: [SiteUpdate], _ network: MCRNetwork, _ parts: FederationSettings.Parts, into values: ParameterBuffer
    ) throws {
        let readers = try updates.map { try $0.weights(network, parts) }
        let total = Double(updates.reduce(0) { $0 + $1.count })
        for parameter in network.layout.parameters where parts.trains(parameter.name) {
            var sum = [Double](repeating: 0, count: parameter.count)
            for (update, reader) in zip(updates, readers) {
                guard let entry = reader.entries[parameter.name] else { continue }
                let floats = try reader.floats(entry)
                for index in sum.indices { sum[index] += Double(update.count) * Double(floats[index]) }
            }
            for index in sum.indices { values.pointer[parameter.offset + index] = Float(sum[index] / total) }
        }
    }

    var doneReason: String {
        "all \(settings.roundCount) rounds that were planned are done; 'hilum federate init --from' begins another federation with these weights"
    }

    private static func write(
        _ directory: String, _ network: MCRNetwork, _ values: ParameterBuffer, _ tokenizer: Tokenizer, number: Int,
        previous: String?, settings: FederationSettings, sites: [Contribution]
    ) throws {
        try SealedFile.writeFolder(directory) { folder in
            try MCRModel.save(network, values, tokenizer, to: folder, format: .f32)
            var files: [(key: String, value: JSON)] = []
            for name in modelFiles { files.append((name, .string(try FileIO.digest(folder + "/" + name).sha256))) }
            let json = JSON(members: [
                "by": "hilum federate", "kind": "round", "version": version, "round": number, "previous": previous,
                "settings": settings, "sites": JSON.array(sites.map(\.json)), "files": JSON.object(files),
            ])
            try SealedFile.write(json, to: folder + "/" + file)
        }
    }
}
