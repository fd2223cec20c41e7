import Foundation
import HilumCore
import HilumImaging
import HilumNN
import HilumPhantom
import Testing

@testable import HilumMCR

/// A few phantoms of both sites, and a small model that has read none of them.
private struct Federation {
    static let shared = Result { try Federation() }

    let model: MCRModel
    let sets: [TrainingSet]

    static func set(
        _ generator: PhantomGenerator, _ range: Range<Int>, _ model: MCRModel, patients: [String]? = nil
    ) -> TrainingSet {
        let cases = range.map { generator.makeCase($0) }
        return TrainingSet(
            images: cases.map(\.image), reports: cases.map(\.report), labels: cases.map(\.labels), patients: patients,
            configuration: model.configuration, tokenizer: model.tokenizer)
    }

    init() throws {
        let generators = [PhantomSite.a, .b].map { PhantomGenerator(seed: 11, site: $0, side: 64) }
        let reports = (0..<24).map { generators[0].makeCase($0).report }
        let vocabulary = try VocabularyBuilder.build(texts: reports, terms: [], size: 500)
        var sizes = MCRConfiguration(
            name: "test", imageSide: 48, patchSide: 8, image: .init(width: 32, layers: 1, heads: 2),
            report: .init(width: 32, layers: 1, heads: 2), maxTokens: 96, vocabularySize: 500, mapHidden: 32,
            dimension: 16, decoder: .init(width: 16, layers: 1, heads: 2))
        sizes.vocabularySize = vocabulary.count
        let model = try MCRModel(untrained: sizes, vocabulary: vocabulary, seed: 5)
        self.model = model
        sets = [
            Self.set(generators[0], 100..<124, model), Self.set(generators[1], 200..<216, model),
        ]
    }

    func settings(
        rounds: Int = 3, steps: Int = 2, parts: FederationSettings.Parts = .all,
        privacy: FederationSettings.Privacy? = nil
    ) -> FederationSettings {
        var options = TrainingOptions()
        options.batchSize = 8
        options.stepCount = steps
        options.labelShare = 0.5
        options.augmentation = 0.5
        options.partialReportShare = 0.3
        return FederationSettings(roundCount: rounds, options: options, parts: parts, privacy: privacy)
    }

    func begin(_ folder: String, _ settings: FederationSettings) throws -> FederatedRound {
        try FederatedRound.begin(at: folder, model: model, settings: settings)
    }

    /// Trains a round at a site.
    func train(
        _ round: FederatedRound, _ site: Int, to folder: String, ledger: String? = nil, noiseSeed: UInt64? = nil
    ) throws -> SiteUpdate {
        let training = try SiteTraining(
            round, site: "site-\(site)", model: round.model(), set: sets[site], threads: 2, ledger: ledger,
            noiseSeed: noiseSeed)
        #expect(try training.run().isComplete)
        return try training.write(to: folder)
    }

    /// An update whose every trained number is `value`.
    func constant(
        _ value: Float, _ round: FederatedRound, _ site: String, count: Int, to folder: String
    ) throws -> String {
        let values = ParameterBuffer(count: model.values.count)
        values.pointer.update(repeating: value, count: values.count)
        try SiteUpdate.write(folder, round: round, site: site, count: count, privacy: nil, model.network, values)
        return folder
    }
}

private final class Folder {
    let path: String
    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/hilum-federation-\(UUID().uuidString)"
        try FileIO.makeFolder(path)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    subscript(_ name: String) -> String { path + "/" + name }
}

private func bytes(_ folder: String) throws -> [String: [UInt8]] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try Dictionary(uniqueKeysWithValues: names.map { ($0, try FileIO.read(folder + "/" + $0)) })
}

/// Writes `update.json` anew with a changed member and a right seal.
private func reseal(_ update: String, _ change: (String, JSON)) throws {
    let path = update + "/update.json"
    guard case .object(let members) = try SealedFile.read(path).json else { return }
    let others = members.filter { $0.key != "seal" && $0.key != change.0 }
    try SealedFile.write(.object(others + [(change.0, change.1)]), to: path)
}

private func floats(_ model: MCRModel, _ name: String) throws -> [Float] {
    let parameter = try #require(model.network.layout.parameters.first { $0.name == name })
    return (0..<parameter.count).map { model.values.pointer[parameter.offset + $0] }
}

@Suite("Federation")
struct FederationTests {
    @Test("Weights are averaged by numbers of cases, and what is not trained stays")
    func averageByHand() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings(parts: .heads))
        let updates = [
            try world.constant(1, round, "a", count: 1, to: folder["a"]),
            try world.constant(4, round, "b", count: 2, to: folder["b"]),
            try world.constant(-2.5, round, "c", count: 5, to: folder["c"]),
        ]
        let (next, isNew) = try round.merge(updates, to: folder["r1"])
        #expect(isNew)
        #expect(next.number == 1)
        #expect(next.sites.map(\.site) == ["a", "b", "c"])
        #expect(next.sites.map(\.count) == [1, 2, 5])
        let model = try next.model()
        // (1·1 + 2·4 − 5·2.5) / 8
        for name in ["image.map.fc1.weight", "report.pool.query", "logit_scale"] {
            #expect(try floats(model, name).allSatisfy { $0 == -0.4375 }, "\(name)")
        }
        for name in ["report.token.weight", "image.patch.weight"]
        where model.network.layout.parameters.contains(where: { $0.name == name }) {
            #expect(try floats(model, name) == floats(world.model, name), "\(name)")
        }
        let others = model.network.layout.parameters.filter { !FederationSettings.Parts.heads.trains($0.name) }
        #expect(others.count > 20)
        for parameter in others {
            #expect(try floats(model, parameter.name) == floats(world.model, parameter.name), "\(parameter.name)")
        }
    }

    @Test("An update alone is the next round, to the bit")
    func oneUpdateAlone() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings())
        _ = try world.train(round, 0, to: folder["u"])
        let next = try round.merge([folder["u"]], to: folder["r1"]).round
        let reader = try WeightReader(folder["u"] + "/weights.safetensors")
        let model = try next.model()
        for (name, entry) in reader.entries { #expect(try reader.floats(entry) == floats(model, name), "\(name)") }
    }

    @Test("The same updates in any order give the same bytes, and a merge that was done is left as it is")
    func orderChangesNothing() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings())
        _ = try world.train(round, 0, to: folder["a"])
        _ = try world.train(round, 1, to: folder["b"])
        let (first, _) = try round.merge([folder["a"], folder["b"]], to: folder["r1"])
        let (second, _) = try round.merge([folder["b"], folder["a"]], to: folder["s1"])
        #expect(first.id == second.id)
        #expect(try bytes(folder["r1"]) == bytes(folder["s1"]))
        #expect(try round.merge([folder["b"], folder["a"]], to: folder["r1"]).isNew == false)
        #expect(throws: MCRError.self) { try round.merge([folder["a"]], to: folder["r1"]) }
        // Federated, the weights are neither site's.
        #expect(try first.model().modelID != world.model.modelID)
    }

    @Test("One round at one site is a training")
    func oneSiteIsATraining() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let settings = world.settings(rounds: 1, steps: 4)
        let round = try world.begin(folder["r0"], settings)
        _ = try world.train(round, 0, to: folder["u"])
        var options = settings.options
        options.threads = 2
        let trainer = try MCRTrainer(
            world.model.configuration, tokenizer: world.model.tokenizer, options: options, start: world.model)
        try trainer.run(world.sets[0], validation: nil)
        let reader = try WeightReader(folder["u"] + "/weights.safetensors")
        let trained = trainer.model()
        for (name, entry) in reader.entries { #expect(try reader.floats(entry) == floats(trained, name), "\(name)") }
    }

    @Test("Rounds go on where the one before ended, until all are done")
    func roundsGoOn() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        var round = try world.begin(folder["r0"], world.settings(rounds: 2))
        var seals: Set<String> = []
        for number in 0..<2 {
            let update = try world.train(round, 0, to: folder["u\(number)"])
            #expect(update.round == number)
            // A second training of the same round makes the same update.
            #expect(try world.train(round, 0, to: folder["again\(number)"]).seal == update.seal)
            seals.insert(update.seal)
            round = try round.merge([folder["u\(number)"]], to: folder["r\(number + 1)"]).round
        }
        #expect(seals.count == 2)
        #expect(round.isLast)
        #expect(throws: MCRError.self) { try world.train(round, 0, to: folder["u2"]) }
        #expect(throws: MCRError.self) { try round.merge([folder["u1"]], to: folder["r3"]) }
    }

    @Test("An update holds the trained tensors and nothing of the site but its name and a number")
    func updatesHoldNoCases() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings())
        _ = try world.train(round, 1, to: folder["u"])
        let files = try bytes(folder["u"])
        #expect(files.keys.sorted() == ["update.json", "weights.safetensors"])
        let json = try JSON(parsing: try #require(files["update.json"])[...])
        guard case .object(let members) = json else { return }
        #expect(
            members.map(\.key).sorted() == [
                "base", "by", "configuration", "count", "kind", "round", "seal", "site", "version", "vocabulary",
                "weights",
            ])
        var status = stat()
        #expect(stat(folder["u"], &status) == 0 && status.st_mode & 0o077 == 0, "only its owner may look in")
    }

    @Test("What cannot be merged is refused, with the reason")
    func wrongUpdatesAreRefused() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let settings = world.settings()
        let round = try world.begin(folder["r0"], settings)
        let good = try world.constant(1, round, "a", count: 3, to: folder["good"])

        func refusal(_ updates: [String], _ round: FederatedRound) -> String {
            do {
                _ = try round.merge(updates, to: folder["never"])
                return "it was merged"
            } catch { return "\(error)" }
        }
        func expect(_ reason: String, _ updates: [String], of other: FederatedRound? = nil) {
            let text = refusal(updates, other ?? round)
            #expect(text.contains(reason), "\(text)")
            #expect(!FileManager.default.fileExists(atPath: folder["never"]))
        }
        /// A copy of the good update that was changed.
        func changed(_ name: String, _ change: (String) throws -> Void) throws -> [String] {
            let copy = folder[name]
            try FileManager.default.copyItem(atPath: good, toPath: copy)
            try change(copy)
            return [copy]
        }

        expect("there is no update to merge", [])
        expect("there is no update here", [folder["missing"]])
        expect("site a is here twice", [good, good])
        expect("trained on no cases", [try world.constant(1, round, "z", count: 0, to: folder["none"])])

        expect("that are believed", [try world.constant(1, round, "z", count: .max, to: folder["many"])])

        let next = try round.merge([good], to: folder["r1"]).round
        expect("trained round 0, and this is round 1", [good], of: next)
        var seeded = settings
        seeded.options.seed = 2
        let other = try world.begin(folder["s0"], seeded)
        expect("other weights or settings of a round 0", [good], of: other)

        // A model with other sizes, and one with other words.
        var sizes = world.model.configuration
        sizes.dimension = 8
        let wider = try MCRModel(untrained: sizes, vocabulary: world.model.tokenizer.vocabulary, seed: 5)
        expect(
            "another configuration", [good],
            of: try FederatedRound.begin(at: folder["t0"], model: wider, settings: settings))
        var pieces = world.model.tokenizer.vocabulary.pieces
        pieces[pieces.count - 1] = "unheardof"
        let worded = try MCRModel(
            untrained: world.model.configuration, vocabulary: try Vocabulary(pieces: pieces), seed: 5)
        expect(
            "another vocabulary", [good],
            of: try FederatedRound.begin(at: folder["v0"], model: worded, settings: settings))

        // Damage: a byte of the weights, a byte of the object, a file that is cut.
        expect(
            "names another SHA-256",
            try changed("byte") { copy in
                var bytes = try FileIO.read(copy + "/weights.safetensors")
                bytes[bytes.count - 3] ^= 1
                try FileIO.writeAtomically(copy + "/weights.safetensors", bytes)
            })
        expect(
            "its seal is that of other contents",
            try changed("count") { copy in
                let text = String(decoding: try FileIO.read(copy + "/update.json"), as: UTF8.self)
                try FileIO.writeAtomically(
                    copy + "/update.json", Array(text.replacing(/"count" *: *3/, with: "\"count\":300").utf8))
            })
        expect(
            "no sealed JSON object",
            try changed("cut") { copy in
                let bytes = try FileIO.read(copy + "/update.json")
                try FileIO.writeAtomically(copy + "/update.json", Array(bytes.prefix(40)))
            })
        expect(
            "is no update of this release", try changed("kind") { try reseal($0, ("kind", .string("round"))) })
        expect("the name of the site", try changed("name") { try reseal($0, ("site", .string("a b"))) })

        // Whole by their seals, and still wrong.
        func rewritten(_ name: String, _ change: (inout [UInt8]) -> Void) throws -> [String] {
            try changed(name) { copy in
                var bytes = try FileIO.read(copy + "/weights.safetensors")
                change(&bytes)
                try FileIO.writeAtomically(copy + "/weights.safetensors", bytes)
                try reseal(copy, ("weights", .string(SHA256.hex(bytes))))
            }
        }
        expect(
            "holds NaN or infinity",
            try rewritten("nan") { $0.replaceSubrange(($0.count - 4)..., with: [0, 0, 0xC0, 0x7F]) })
        let heads = try FederatedRound.begin(
            at: folder["h0"], model: world.model, settings: world.settings(parts: .heads))
        _ = try world.constant(1, heads, "a", count: 3, to: folder["heads"])
        let part = try FileIO.read(folder["heads"] + "/weights.safetensors")
        expect("is missing or has another shape", try rewritten("part") { $0 = part })
        let whole = try FileIO.read(good + "/weights.safetensors")
        _ = try world.constant(1, heads, "b", count: 3, to: folder["heads-b"])
        try FileIO.writeAtomically(folder["heads-b"] + "/weights.safetensors", whole)
        try reseal(folder["heads-b"], ("weights", .string(SHA256.hex(whole))))
        expect("tensors that this round does not train", [folder["heads-b"]], of: heads)
    }

    @Test("A damaged round is refused by the file that is damaged")
    func damagedRounds() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        for (number, name) in (FederatedRound.modelFiles + ["round.json"]).enumerated() {
            let place = folder["r\(number)"]
            _ = try world.begin(place, world.settings())
            var bytes = try FileIO.read(place + "/" + name)
            bytes[bytes.count / 2] ^= 1
            try FileIO.writeAtomically(place + "/" + name, bytes)
            do {
                _ = try FederatedRound(directory: place)
                Issue.record("\(name) was read")
            } catch { #expect("\(error)".contains(name), "\(error)") }
        }
        #expect(throws: MCRError.self) { try FederatedRound(directory: folder["nothing"]) }
        #expect(throws: FileError.self) { try world.begin(folder.path, world.settings()) }
    }

    // MARK: Budgets

    private static let privacy = FederationSettings.Privacy(epsilon: 2, delta: 1e-3, clip: 0.5, groupSize: 4)

    @Test("A site spends its budget over the rounds, never more, and its ledger says what is left")
    func budgetIsSpent() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        var round = try world.begin(folder["r0"], world.settings(privacy: Self.privacy))
        let ledger = folder["ledger.json"]
        var spent: [Double] = []
        for number in 0..<3 {
            let update = try world.train(round, 0, to: folder["u\(number)"], ledger: ledger)
            let privacy = try #require(update.privacy)
            #expect(privacy.budget == 2)
            #expect(!privacy.isSeeded)
            // 8 of 24 patients a step, in groups of 4.
            #expect(abs(privacy.samplingRate - 1.0 / 3) < 1e-12)
            spent.append(try #require(privacy.epsilon))
            #expect(try PrivacyLedger(path: ledger).epsilon(delta: 1e-3) == spent.last)
            round = try round.merge([folder["u\(number)"]], to: folder["r\(number + 1)"]).round
        }
        #expect(spent == spent.sorted())
        #expect(spent[0] > 0.3)
        #expect(spent[2] <= 2)
        #expect(spent[2] > 1.99, "\(spent)")
        // Another federation asks the same patients.
        let again = try world.begin(folder["s0"], world.settings(privacy: Self.privacy))
        do {
            _ = try world.train(again, 0, to: folder["more"], ledger: ledger)
            Issue.record("the budget was exceeded")
        } catch { #expect("\(error)".contains("have spent the budget"), "\(error)") }
        #expect(!FileManager.default.fileExists(atPath: folder["more"]))
    }

    @Test("What a lost update has told counts, and the rounds that are left get more noise")
    func lostUpdatesCount() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings(privacy: Self.privacy))
        let first = try world.train(round, 0, to: folder["a"], ledger: folder["l"])
        let second = try world.train(round, 0, to: folder["b"], ledger: folder["l"])
        #expect(try #require(second.privacy).noise > #require(first.privacy).noise)
        #expect(try #require(second.privacy?.epsilon) > #require(first.privacy?.epsilon))
        #expect(first.seal != second.seal, "the system's noise is never the same")
        // With a seed it is, and the update says so.
        let seeded = try ["c", "d"].map {
            try world.train(round, 0, to: folder[$0], ledger: folder["l-\($0)"], noiseSeed: 4)
        }
        #expect(seeded[0].seal == seeded[1].seal)
        #expect(seeded[0].privacy?.isSeeded == true)
    }

    @Test("Two updates from one seed share no noise, unless they are the same in all")
    func seededUpdatesDiffer() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings(privacy: Self.privacy))
        func first(ledger: String, set: Int = 0, site: String = "site-0", of round: FederatedRound) throws -> UInt64 {
            let training = try SiteTraining(
                round, site: site, model: round.model(), set: world.sets[set], threads: 2, ledger: folder[ledger],
                noiseSeed: 4)
            var source = try #require(training.gradient).source
            return source.next()
        }
        let fresh = try first(ledger: "l", of: round)
        #expect(try first(ledger: "l", of: round) == fresh)
        #expect(try first(ledger: "another", of: round) == fresh)
        #expect(try first(ledger: "l", set: 1, of: round) != fresh, "other pairs")
        #expect(try first(ledger: "l", site: "site-1", of: round) != fresh)
        _ = try world.train(round, 0, to: folder["u"], ledger: folder["l"], noiseSeed: 4)
        #expect(try first(ledger: "l", of: round) != fresh, "the second update of this round")
        let next = try round.merge([folder["u"]], to: folder["r1"]).round
        #expect(try first(ledger: "l", of: next) != fresh)
    }

    @Test("A ledger that is another file is refused, and so is one with noise of the other kind")
    func ledgersAreNotMixed() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        func refusal(_ round: FederatedRound, ledger: String, noiseSeed: UInt64? = nil) -> String {
            do {
                let training = try SiteTraining(
                    round, site: "site-0", model: round.model(), set: world.sets[0], threads: 2, ledger: ledger,
                    noiseSeed: noiseSeed)
                return training.beginsLedger ? "a new ledger" : "a known ledger"
            } catch { return "\(error)" }
        }
        let first = try world.begin(folder["r0"], world.settings(privacy: Self.privacy))
        #expect(refusal(first, ledger: folder["l"]) == "a new ledger")
        let update = try world.train(first, 0, to: folder["u"], ledger: folder["l"])
        #expect(try #require(update.privacy?.leftOutEpsilon) > #require(update.privacy?.epsilon))
        let second = try first.merge([folder["u"]], to: folder["r1"]).round
        #expect(refusal(second, ledger: folder["l"]) == "a known ledger")
        #expect(refusal(second, ledger: folder["typo"]).contains("this ledger has no entry of it"))
        #expect(refusal(second, ledger: folder["l"], noiseSeed: 4).contains("holds updates with noise from the system"))
        _ = try world.train(first, 0, to: folder["v"], ledger: folder["s"], noiseSeed: 4)
        #expect(try PrivacyLedger(path: folder["s"]).entries.map(\.isSeeded) == [true])
        #expect(refusal(first, ledger: folder["s"]).contains("holds updates with noise from a seed"))
    }

    @Test("Of two updates that began with one ledger, only one is entered")
    func ledgerIsLocked() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings(privacy: Self.privacy))
        let trainings = try (0..<2).map { _ in
            try SiteTraining(
                round, site: "site-0", model: round.model(), set: world.sets[0], threads: 1, ledger: folder["l"])
        }
        for training in trainings { #expect(try training.run().isComplete) }
        _ = try trainings[0].write(to: folder["a"])
        #expect(throws: MCRError.self) { try trainings[1].write(to: folder["b"]) }
        #expect(try PrivacyLedger(path: folder["l"]).entries.count == 1)
        // Whoever holds the lock is waited for.
        let descriptor = open(folder["l"] + ".lock", O_RDWR)
        #expect(descriptor >= 0)
        try PrivacyLedger.locked(folder["l"]) { #expect(flock(descriptor, LOCK_EX | LOCK_NB) != 0) }
        #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        close(descriptor)
    }

    @Test("An update of a round with a budget says that it kept to it")
    func budgetsAreMerged() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        let round = try world.begin(folder["r0"], world.settings(privacy: Self.privacy))
        _ = try world.train(round, 0, to: folder["u"], ledger: folder["l"])
        func refusal(_ change: (inout [(key: String, value: JSON)]) -> Void) throws -> String {
            let path = folder["u"] + "/update.json"
            guard case .object(var members) = try SealedFile.read(path).json else { return "no object" }
            let former = try FileIO.read(path)
            members.removeAll { $0.key == "seal" }
            change(&members)
            try SealedFile.write(.object(members), to: path)
            defer { try? FileIO.writeAtomically(path, former) }
            do {
                _ = try round.merge([folder["u"]], to: folder["never"])
                return "it was merged"
            } catch { return "\(error)" }
        }
        func privacy(epsilon: Double, budget: Double = 2) -> JSON {
            PrivacySpent(
                epsilon: epsilon, leftOutEpsilon: nil, budget: budget, delta: 1e-3, noise: 1, samplingRate: 0.5,
                stepCount: 2, isSeeded: false
            ).json
        }
        func with(_ value: JSON?) throws -> String {
            try refusal { members in
                members.removeAll { $0.key == "privacy" }
                if let value { members.append(("privacy", value)) }
            }
        }
        #expect(try with(nil).contains("says nothing of the privacy budget"))
        #expect(try with(privacy(epsilon: 1, budget: 9)).contains("says nothing of the privacy budget"))
        #expect(try with(privacy(epsilon: 2.5)).contains("has spent epsilon 2.5 of a budget of 2"))
        #expect(try round.merge([folder["u"]], to: folder["r1"]).isNew)
    }

    @Test("A budget needs a sound ledger, enough patients and a small delta")
    func budgetsAreChecked() throws {
        let world = try Federation.shared.get()
        let folder = try Folder()
        func refusal(_ privacy: FederationSettings.Privacy, _ name: String, ledger: String?) throws -> String {
            let round = try world.begin(folder[name], world.settings(privacy: privacy))
            do {
                _ = try world.train(round, 1, to: folder["u-\(name)"], ledger: ledger)
                return "it was trained"
            } catch { return "\(error)" }
        }
        #expect(try refusal(Self.privacy, "no-ledger", ledger: nil).contains("the site's ledger"))
        var loose = Self.privacy
        loose.delta = 0.07
        #expect(try refusal(loose, "delta", ledger: folder["l1"]).contains("is not below 1 in 16 patients"))
        var large = Self.privacy
        large.groupSize = 17
        #expect(try refusal(large, "group", ledger: folder["l2"]).contains("16 patients are fewer than a group of 17"))
        try FileIO.writeAtomically(folder["l3"], Array("{}\n".utf8))
        #expect(try refusal(Self.privacy, "damaged", ledger: folder["l3"]).contains("no sealed JSON object"))
        // Clipped without noise: nothing is promised, so there is nothing to account for.
        var clipped = Self.privacy
        clipped.epsilon = nil
        let round = try world.begin(folder["clip"], world.settings(privacy: clipped))
        let update = try world.train(round, 1, to: folder["u-clip"])
        #expect(update.privacy?.epsilon == nil && update.privacy?.noise == 0)
    }

    @Test("Pairs are compared within their group alone: another patient changes no gradient but that of the own group")
    func contrastStaysInTheGroup() throws {
        let world = try Federation.shared.get()
        let generator = PhantomGenerator(seed: 11, site: .a, side: 64)
        let first = world.sets[0]
        // The same set, but the pair of patient 5 is another's.
        let cases = (100..<124).map { generator.makeCase($0 == 105 ? 555 : $0) }
        let second = TrainingSet(
            images: cases.map(\.image), reports: cases.map(\.report), labels: cases.map(\.labels),
            configuration: world.model.configuration, tokenizer: world.model.tokenizer)
        var options = world.settings().options
        options.threads = 2
        let trainer = try MCRTrainer(
            world.model.configuration, tokenizer: world.model.tokenizer, options: options, start: world.model)
        let plan = trainer.plan(0, maskedSteps: 4)
        var source = NoiseSource(seed: 2)
        let groups = PatientGroups(patients: first.patients, size: 4).draw(rate: 1, using: &source)
        #expect(groups.count == 6)
        for group in groups {
            let gradients = [first, second].map { set in
                _ = trainer.runner.run(trainer.values, trainer.batch(set, of: group), plan)
                let buffer = trainer.runner.gradients
                return (0..<buffer.count).map { buffer.pointer[$0].bitPattern }
            }
            #expect((gradients[0] == gradients[1]) == !group.contains(5))
        }
    }
}
