import Foundation
import HilumCore
import Testing

/// The README's guides: each command of them is run.
@Suite("Guides")
struct GuideTests {
    private static let view = Guide.Rule(
        prefix: "hilum view ", kind: .untilReady("page \"$(head -n 1 $step.out)\" | grep -q '<title>Hilum'"),
        reason: Viewed.isBuilt ? "" : "libmicrohttpd-dev is not installed")
    /// Reads the page at an address that was printed, without a browser.
    private static let page = #"""
        page() {
            local rest=${1#http://127.0.0.1:}
            exec 3<> "/dev/tcp/127.0.0.1/${rest%%/*}" || return 1
            printf 'GET /%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "${rest#*/}" "${rest%%/*}" >&3
            cat <&3
            exec 3>&-
        }
        """#
    private static let path = "export PATH=$PWD/.build/release:$PATH"

    private static func skipped(_ prefix: String, _ reason: String) -> Guide.Rule {
        Guide.Rule(prefix: prefix, kind: .skipped, reason: reason)
    }

    private static func instead(_ prefix: String, _ command: String, _ reason: String) -> Guide.Rule {
        Guide.Rule(prefix: prefix, kind: .instead(command), reason: reason)
    }

    private static func has(_ program: String) -> Bool {
        ["/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"].contains {
            FileManager.default.isExecutableFile(atPath: $0 + program)
        }
    }

    /// Expects that all that was not skipped has succeeded, and returns the output of the one that starts so.
    private func check(_ steps: [Guide.Step], skipping skipped: Int) -> (String) -> String {
        for step in steps {
            if let status = step.status { #expect(status == 0, "\(step.command): \(step.output) \(step.errors)") }
        }
        #expect(steps.count { $0.status == nil } == skipped, "\(steps.filter { $0.status == nil }.map(\.command))")
        return { prefix in steps.first { $0.command.hasPrefix(prefix) }?.output ?? "there is no '\(prefix)'" }
    }

    @Test("A radiologist gets from a folder of films to a page that shows them")
    func radiologist() throws {
        let scratch = try Scratch()
        let guide = try Guide("A folder of films")
        #expect(guide.commands.count > 5, "\(guide.commands)")
        let rules = [
            Self.instead("tools/setup", "bash -n tools/setup", "it installs packages"),
            Self.instead(
                "tools/build", "grep -q 'executable(name: \"hilum\"' Package.swift && test -x .build/release/hilum",
                "the tests stand on a build"),
            Self.instead(
                "hilum phantom ", "hilum phantom ~/chest-films --count 16 --side 64", "fewer cases do here"),
            Viewed.isBuilt ? Self.view : Self.skipped("hilum view ", Self.view.reason),
        ]
        let steps = try guide.run(in: scratch, preparation: [Self.page], rules: rules)
        let output = check(steps, skipping: Viewed.isBuilt ? 0 : 1)
        let indexed = steps.filter { $0.command.hasPrefix("hilum index ") }.map(\.output)
        #expect(indexed.count == 2 && indexed[0].contains("phantom-") && indexed[1].contains("16 stored"), "\(indexed)")
        if Viewed.isBuilt { #expect(output("hilum view").hasPrefix("http://127.0.0.1:")) }
    }

    @Test(
        "An engineer gets from Orthanc to a search, and to a package with the units",
        .enabled(if: OrthancServer.hasPython, "/usr/bin/python3 is absent"),
        .enabled(if: OrthancServer.hasGDCM, "libgdcm-dev is not installed"))
    func engineer() throws {
        let scratch = try Scratch()
        let kind: OrthancServer.Kind = OrthancServer.isInstalled ? .installed : .double
        if kind == .double { print("README: orthanc is not installed; a double answers in its place") }
        let server = try OrthancServer(kind, in: scratch)
        try server.receive(0..<OrthancServer.instanceCount)
        let guide = try Guide("Beside a PACS")
        #expect(guide.commands.count > 5, "\(guide.commands)")

        let socket = "--socket archive/hilum.sock"
        var rules = [
            Guide.Rule(
                prefix: "hilum serve ", kind: .untilReady("hilum query \(socket) PING | grep -q PONG"), reason: ""),
            Guide.Rule(
                prefix: "tools/orthanc-feed ",
                kind: .untilReady("hilum query \(socket) STATS | grep -q '\"images\":3'"), reason: ""),
            Self.skipped("sudo adduser ", "it changes the users of this machine"),
            Viewed.isBuilt ? Self.view : Self.skipped("hilum view ", Self.view.reason),
        ]
        let lacking = ["git", "dpkg-deb", "dpkg-shlibdeps", "strip", "readelf", "apt-get"].filter { !Self.has($0) }
        if lacking.isEmpty {
            rules += [
                Self.instead(
                    "tools/package", "tools/package --build-dir .build/release --out .build/package --compression none",
                    "it packs what the tests stand on"),
                Self.instead(
                    "sudo apt install ", "apt-get --simulate install ./.build/package/hilum_*.deb",
                    "it is simulated: only root may, and it changes this machine"),
                // The units stand in the package, and are enabled below a folder.
                Self.instead(
                    "sudo systemctl ", enabling(try #require(guide.commands.first { $0.contains("systemctl ") })),
                    "the units are enabled in a folder, not on this machine"),
            ]
        } else {
            rules += ["tools/package", "sudo apt install ", "sudo systemctl "].map {
                Self.skipped($0, "these programs are absent: \(lacking.joined(separator: ", "))")
            }
        }
        let names = ["http://127.0.0.1:8042": server.address, "/run/hilum/hilum.sock": "archive/hilum.sock"]
        let steps = try guide.run(
            in: scratch, preparation: [Self.path, Self.page], rules: rules, names: names,
            environment: OrthancServer.login)
        let output = check(steps, skipping: 1 + (Viewed.isBuilt ? 0 : 1) + (lacking.isEmpty ? 0 : 3))
        #expect(output("hilum query").contains("\"cases\":2"), "\(output("hilum query"))")
        #expect(output("hilum search").contains("1.2.826.0.1.3"), "\(output("hilum search"))")
    }

    /// Enables the units that a command names below the folder of the unpacked package.
    private func enabling(_ command: String) -> String {
        let units = command.split(separator: " ").filter { $0.hasPrefix("hilum") }.joined(separator: " ")
        let unpack = "dpkg-deb --extract .build/package/hilum_*.deb root && test -x root/usr/lib/hilum/orthanc-feed"
        let there = "for unit in \(units); do test -e root/lib/systemd/system/$unit || exit 1; done"
        let enable = "systemctl --root=\"$PWD/root\" enable \(units)"
        return "\(unpack) && ( \(there) )" + (Self.has("systemctl") ? " && \(enable)" : "")
    }

    @Test("A researcher gets from pairs to a trained model, and to an archive that searches with it")
    func researcher() throws {
        let scratch = try Scratch()
        let guide = try Guide("Your own data and weights")
        #expect(guide.commands.count > 5, "\(guide.commands)")
        let rules = [
            Self.instead(
                "hilum pilot ", "hilum pilot my-cases --out trial.html --folds 2 --steps 2", "five folds take minutes")
        ]
        let preparation = [
            Self.path, "hilum phantom my-cases --count 12 --side 64 --seed 3",
            "hilum phantom unseen-cases --count 12 --side 64 --seed 4", "hilum init archive-in-use",
            "hilum index archive-in-use my-cases",
        ]
        let steps = try guide.run(in: scratch, preparation: preparation, rules: rules)
        let output = check(steps, skipping: 0)
        #expect(output("hilum pilot").contains("fine-tuning"))
        #expect(output("hilum eval").contains("chance"))
        #expect(output("hilum index").contains("12 stored"))
        #expect(output("hilum reembed archive-in-use --switch").contains("generation 2 is searched"))
        for name in ["trial.html", "my-model/weights.safetensors", "vectors/images.npy"] {
            #expect(FileManager.default.fileExists(atPath: scratch.path("clone/" + name)), "\(name)")
        }
    }
}
