import Foundation
import HilumCore
import Testing

/// The commands of one section of the README, and what a run of them gave.
struct Guide {
    /// What is done with a command that starts with `prefix`.
    struct Rule {
        enum Kind {
            /// Another command stands for it: it would change this machine, or take too long.
            case instead(String)
            /// It goes on until it is ended; the condition of the shell says when the next command may run.
            case untilReady(String)
            case skipped
        }
        let prefix: String
        let kind: Kind
        /// Why it is not run as it stands.
        let reason: String
    }

    /// A command, and what came of it.
    struct Step {
        let command: String
        let output: String
        let errors: String
        /// Nil where it was skipped.
        let status: Int?
    }

    let heading: String
    /// In the order of the page, without `$ `.
    let commands: [String]

    /// Reads the section below `## heading`: each line of its code blocks that starts with `$ `.
    init(_ heading: String) throws {
        self.heading = heading
        let page = String(decoding: try FileIO.read(SourceTree.root + "/README.md"), as: UTF8.self)
        var isWithin = false
        var isCode = false
        var found: [String] = []
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") { isCode.toggle() }
            if !isCode && line.hasPrefix("## ") { isWithin = line == "## " + heading }
            if isWithin && isCode && line.hasPrefix("$ ") { found.append(String(line.dropFirst(2))) }
        }
        commands = found
    }

    /// Runs the commands in one shell, in a folder that looks like a clone of this package with what was built in it.
    ///
    /// - Parameters:
    ///   - preparation: lines that run first and must succeed.
    ///   - names: what stands for a name of the page, such as an address.
    func run(
        in scratch: Scratch, preparation: [String] = [], rules: [Rule] = [], names: [String: String] = [:],
        environment: [String: String] = [:]
    ) throws -> [Step] {
        let programs = URL(fileURLWithPath: Program.path).deletingLastPathComponent().path
        let clone = scratch.path("clone")
        try FileIO.makeFolder(clone + "/.build")
        let links = [
            "tools": SourceTree.root + "/tools", "Package.swift": SourceTree.root + "/Package.swift",
            ".build/release": programs,
        ]
        for (name, target) in links {
            try FileManager.default.createSymbolicLink(atPath: clone + "/" + name, withDestinationPath: target)
        }
        try FileIO.makeFolder(scratch.path("steps"))
        for rule in rules where !commands.contains(where: { $0.hasPrefix(rule.prefix) }) {
            Issue.record("'\(rule.prefix)' is no command of '\(heading)' any more")
        }
        let steps = "'" + scratch.path("steps") + "'"
        // Each job is a group of its own, so that what it has started ends with it. Nobody would see that this script has ended while one
        // of them lives: they hold the socket by which Foundation notices.
        var lines = [
            "set -um", "trap '{ for job in $(jobs -p); do kill -KILL -- -$job; done; wait; } 2> /dev/null' EXIT",
        ]
        // What the guide expects to be there.
        lines += preparation.map { "{ \($0)\n} >> \(steps)/preparation 2>&1 || exit 9" }
        for (number, command) in commands.enumerated() {
            let rule = rules.first { command.hasPrefix($0.prefix) }
            var text = names.reduce(command) { $0.replacing($1.key, with: $1.value) }
            var ending = ""
            var wait = ""
            switch rule?.kind {
            case .skipped: continue
            case .instead(let other): text = other
            case .untilReady(let condition):
                // Some go on by themselves, others until Ctrl-C.
                if !text.hasSuffix("&") { ending = " &" }
                wait = "for _ in $(seq 900); do if \(condition); then break; fi; sleep 0.1; done; \(condition)"
            case nil: break
            }
            lines.append("step=\(steps)/\(number)")
            lines.append("{ \(text)\n} > $step.out 2> $step.err < /dev/null\(ending)")
            if !wait.isEmpty { lines.append("{ \(wait)\n} > /dev/null 2>&1") }
            lines.append("echo $? > $step.status")
        }
        let script = try scratch.write("guide.sh", lines.joined(separator: "\n") + "\n")
        let settings = ["HOME": scratch.folder].merging(environment) { _, new in new }
        let result = try Program.run([script], environment: settings, folder: clone, program: "/bin/bash")

        func text(_ name: String) -> String { (try? String(contentsOfFile: name, encoding: .utf8)) ?? "" }
        try #require(result.status != 9, "\(heading): \(text(scratch.path("steps/preparation")))")
        return commands.enumerated().map { number, command in
            if let rule = rules.first(where: { command.hasPrefix($0.prefix) }), !rule.reason.isEmpty {
                print("README: '\(command)' is not run as it stands: \(rule.reason)")
            }
            let path = scratch.path("steps/\(number)")
            let status = Int(text(path + ".status").trimmingCharacters(in: .newlines))
            return Step(command: command, output: text(path + ".out"), errors: text(path + ".err"), status: status)
        }
    }
}
