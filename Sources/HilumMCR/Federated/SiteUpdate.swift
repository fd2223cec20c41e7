import Foundation
import HilumCore
import HilumNN

/// What a site gives back after a round: the tensors that it trained, how many cases they were trained on, and its name.
///
///     UPDATE/  weights.safetensors (f32)   the trained tensors alone
///              update.json                 site, count, the round it began with, what was spent of a privacy budget, SHA-256 of the weights
///
/// No text, picture, identifier or vocabulary of the site is in it. What the weights themselves remember of the cases only a privacy
/// budget bounds. Thread rule: an immutable value.
public struct SiteUpdate: Sendable {
    static let file = "update.json"
    static let weightsFile = "weights.safetensors"
    static let version = 1
    /// The most cases that a site is believed to have.
    static let mostCases = 1_000_000_000
    /// Names of sites, which stand in files and on screens.
    public static let nameRule = "1 to 64 letters, digits, dots, dashes and underscores"

    /// The folder.
    public let directory: String
    /// The number of the round that it began with.
    public let round: Int
    /// The id of that round.
    public let base: String
    /// The name of the site.
    public let site: String
    /// Pairs that it was trained on.
    public let count: Int
    /// What was spent; nil where no privacy was asked for.
    public let privacy: PrivacySpent?
    /// SHA-256 of everything in `update.json`, the hash of the weights included.
    public let seal: String
    private let configuration: String
    private let vocabulary: String

    /// Whether a name is one that a site may have.
    public static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || ".-_".utf8.contains(byte)
            }
    }

    /// Whether a folder holds an update, sound or not.
    public static func isThere(_ directory: String) -> Bool { access(directory + "/" + file, F_OK) == 0 }

    /// Reads `update.json` and checks it and the bytes of the weights; the tensors are read when they are averaged.
    ///
    /// - Throws: `MCRError.badRound` for what is damaged or no update, or `FileError`.
    public init(directory: String) throws {
        let path = directory + "/" + Self.file
        guard Self.isThere(directory) else {
            throw MCRError(
                .badRound(reason: "there is no update here; 'hilum federate train' makes one"), path: directory)
        }
        let (json, seal) = try SealedFile.read(path)
        self.directory = directory
        self.seal = seal
        let weights: String
        do {
            let (kind, version): (String, Int) = (try json.member("kind"), try json.member("version"))
            guard kind == "update", version == Self.version else { throw JSON.Mismatch("is no update of this release") }
            round = try json.member("round")
            base = try json.member("base")
            site = try json.member("site")
            count = try json.member("count")
            privacy = try json.optionalMember("privacy")
            configuration = try json.member("configuration")
            vocabulary = try json.member("vocabulary")
            weights = try json.member("weights")
        } catch let error as JSON.Mismatch {
            throw MCRError(.badRound(reason: "\(error)"), path: path)
        }
        guard Self.isName(site) else {
            throw MCRError(.badRound(reason: "the name of the site is not \(Self.nameRule)"), path: path)
        }
        guard try FileIO.digest(directory + "/" + Self.weightsFile).sha256 == weights else {
            throw MCRError(
                .badRound(reason: "it is damaged or of another update: update.json names another SHA-256"),
                path: directory + "/" + Self.weightsFile)
        }
    }

    /// Whether it began with this round.
    public func began(with round: FederatedRound) -> Bool { base == round.id }

    /// - Throws: `MCRError.badRound` saying why it is no update of this round.
    func check(against round: FederatedRound) throws(MCRError) {
        func refusal(_ reason: String) -> MCRError { MCRError(.badRound(reason: reason), path: directory) }
        if configuration != round.files[MCRModel.configurationFile] {
            throw refusal("site \(site) trained a model of another configuration")
        }
        if vocabulary != round.files[MCRModel.vocabularyFile] {
            throw refusal("site \(site) trained a model of another vocabulary")
        }
        if self.round != round.number {
            throw refusal("site \(site) trained round \(self.round), and this is round \(round.number)")
        }
        if base != round.id {
            throw refusal("site \(site) began with other weights or settings of a round \(round.number) than these")
        }
        if count < 1 { throw refusal("site \(site) trained on no cases") }
        if count > Self.mostCases {
            throw refusal("site \(site) says \(count) cases, more than the \(Self.mostCases) that are believed")
        }
        guard let wanted = round.settings.privacy, let budget = wanted.epsilon else { return }
        guard let privacy, let spent = privacy.epsilon, privacy.budget == budget, privacy.delta == wanted.delta else {
            throw refusal("site \(site) says nothing of the privacy budget that all have agreed on")
        }
        guard spent <= budget, privacy.noise > 0 else {
            throw refusal("site \(site) has spent epsilon \(spent) of a budget of \(budget)")
        }
    }

    /// The weights, their names and shapes checked.
    func weights(_ network: MCRNetwork, _ parts: FederationSettings.Parts) throws -> WeightReader {
        let reader = try WeightReader(directory + "/" + Self.weightsFile)
        let shapes = reader.shapes
        let trained = network.layout.parameters.filter { parts.trains($0.name) }
        for parameter in trained where shapes[parameter.name] != parameter.shape {
            throw MCRError(
                .badRound(reason: "tensor \(parameter.name) is missing or has another shape"), path: reader.path)
        }
        guard shapes.count == trained.count else {
            throw MCRError(.badRound(reason: "it holds tensors that this round does not train"), path: reader.path)
        }
        return reader
    }

    /// Writes an update in one step; its owner alone may look into the folder.
    static func write(
        _ directory: String, round: FederatedRound, site: String, count: Int, privacy: PrivacySpent?,
        _ network: MCRNetwork,
        _ values: ParameterBuffer
    ) throws {
        try SealedFile.writeFolder(directory, rights: 0o700) { folder in
            let spans = values.spans(network.layout).filter { round.settings.parts.trains($0.name) }
            let path = folder + "/" + weightsFile
            try SafeTensors.write(spans, metadata: ["format": "hilum-update-1"], to: path, as: .f32)
            let json = JSON(members: [
                "by": "hilum federate", "kind": "update", "version": version, "round": round.number, "base": round.id,
                "site": site, "count": count, "privacy": privacy,
                "configuration": round.files[MCRModel.configurationFile],
                "vocabulary": round.files[MCRModel.vocabularyFile], "weights": try FileIO.digest(path).sha256,
            ])
            try SealedFile.write(json, to: folder + "/" + file)
        }
    }
}

/// What a site has spent of its privacy budget, this update included.
public struct PrivacySpent: Sendable, Equatable {
    /// Spent so far, over all rounds of the site's ledger; nil where there is no noise, which promises nothing.
    public let epsilon: Double?
    /// The same beside an archive from which the patient was left out altogether, so that another may take the place in a group:
    /// more than `epsilon`, which compares with a plan in which that place stays empty.
    public let leftOutEpsilon: Double?
    /// What may be spent; nil without noise.
    public let budget: Double?
    /// The probability with which the promise may fail.
    public let delta: Double
    /// The deviation of the noise in lengths of the longest gradient.
    public let noise: Double
    /// The probability with which a step took a group.
    public let samplingRate: Double
    /// Steps of this round.
    public let stepCount: Int
    /// Whether somebody chose the noise by a seed: then it hides nothing from those who know it.
    public let isSeeded: Bool
}

extension PrivacySpent: JSONReadable, JSONWritable {
    /// The member `privacy` of `update.json`.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            epsilon: try json.optionalMember("epsilon"),
            leftOutEpsilon: try json.optionalMember("epsilon_left_out"), budget: try json.optionalMember("budget"),
            delta: try json.member("delta"), noise: try json.member("noise"),
            samplingRate: try json.member("sampling_rate"), stepCount: try json.member("steps"),
            isSeeded: try json.member("seeded"))
    }

    /// An object with all members.
    public var json: JSON {
        JSON(members: [
            "epsilon": epsilon, "epsilon_left_out": leftOutEpsilon, "budget": budget, "delta": delta,
            "noise": noise, "sampling_rate": samplingRate, "steps": stepCount, "seeded": isSeeded,
        ])
    }
}
