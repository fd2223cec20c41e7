import HilumCore

/// What all sites of a federation have agreed on; part of every round.
public struct FederationSettings: Sendable, Equatable {
    /// Which tensors the sites train.
    public enum Parts: String, Sendable, CaseIterable, JSONReadable, JSONWritable {
        /// All that training changes otherwise.
        case all
        /// Those that map to the common space; fewer numbers drown less in noise.
        case heads

        func trains(_ name: String) -> Bool {
            guard MCRNetwork.isTrained(name) else { return false }
            let heads = ["image.map.", "image.pool.", "report.map.", "report.pool.", "logit_scale"]
            return self == .all || heads.contains { name.hasPrefix($0) }
        }
    }

    /// How a site's update is kept from telling much about one patient.
    public struct Privacy: Sendable, Equatable {
        /// What a site may spend over all rounds; nil: gradients are clipped and get no noise, which promises nothing.
        public var epsilon: Double?
        /// The probability with which the promise may fail.
        public var delta: Double
        /// The longest gradient of a group.
        public var clip: Double
        /// Patients of a group.
        public var groupSize: Int

        /// A budget.
        public init(epsilon: Double?, delta: Double, clip: Double, groupSize: Int) {
            self.epsilon = epsilon
            self.delta = delta
            self.clip = clip
            self.groupSize = groupSize
        }
    }

    /// For how many rounds learning rate, masks and budget are planned.
    public var roundCount: Int
    /// How a site trains in a round; `epochCount` and `stepCount` are those of one round.
    public var options: TrainingOptions
    /// Which tensors are trained.
    public var parts: Parts
    /// nil: updates are made as without privacy.
    public var privacy: Privacy?

    /// Settings.
    public init(roundCount: Int, options: TrainingOptions, parts: Parts = .all, privacy: Privacy? = nil) {
        self.roundCount = roundCount
        self.options = options
        self.parts = parts
        self.privacy = privacy
        // What concerns one machine is not agreed on, and what one site would choose on cases of its own is not federated.
        self.options.threads = 1
        self.options.checkpointInterval = TrainingOptions().checkpointInterval
        self.options.averaging = nil
        self.options.keepsBest = false
        self.options.minutes = nil
    }
}

extension FederationSettings: JSONReadable, JSONWritable {
    /// The member `settings` of `round.json`.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            roundCount: try json.member("rounds"), options: try json.member("training"),
            parts: try json.member("parts"),
            privacy: try json.optionalMember("privacy"))
        guard roundCount > 0, options.batchSize > 1 else { throw JSON.Mismatch("has no rounds or no batch") }
    }

    /// An object with all settings.
    public var json: JSON {
        JSON(members: ["rounds": roundCount, "training": options, "parts": parts, "privacy": privacy])
    }
}

extension FederationSettings.Privacy: JSONReadable, JSONWritable {
    /// - Throws: `JSON.Mismatch` also for what no training could use.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            epsilon: try json.optionalMember("epsilon"), delta: try json.member("delta"),
            clip: try json.member("clip"), groupSize: try json.member("group"))
        guard epsilon ?? 1 > 0, delta > 0, delta < 1, clip > 0, groupSize > 1 else {
            throw JSON.Mismatch("is out of range")
        }
    }

    /// An object with all members.
    public var json: JSON {
        JSON(members: ["epsilon": epsilon, "delta": delta, "clip": clip, "group": groupSize])
    }
}
