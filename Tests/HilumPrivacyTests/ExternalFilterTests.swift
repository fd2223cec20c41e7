import Foundation
import HilumCore
import HilumPrivacy
import Testing

@Suite("The filter from outside")
struct ExternalFilterTests {
    /// A folder with a script in it, gone with this object.
    private final class Script {
        let folder: String
        let command: String

        init(_ body: String) throws {
            folder = FileManager.default.temporaryDirectory.path + "/hilum filter \(UUID().uuidString)"
            try FileIO.makeFolder(folder)
            try FileIO.writeAtomically(folder + "/filter.sh", Array(body.utf8))
            command = "sh '\(folder)/filter.sh'"
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }
    }

    private static func code(_ body: () throws -> Void) -> PrivacyError.Code? {
        do { try body() } catch { return (error as? PrivacyError)?.code }
        return nil
    }

    private static func isFailure(_ code: PrivacyError.Code?) -> Bool {
        if case .filterFailed? = code { true } else { false }
    }

    @Test("One process gets one report after the other, and its answers are taken")
    func answersAreTaken() throws {
        let script = try Script(
            "echo started >> \"$(dirname \"$0\")/starts\"; while read -r line; do printf '%s\\n' \"$line\" | sed 's/Smith/[NAME]/g'; done"
        )
        let filter = try ExternalFilter(script.command)
        for number in 0..<50 {
            let text = "Report \(number)\nby Smith: \"clear\", 100 % \\ 胸部 $(id) `id` ; rm x"
            #expect(try filter.filter(text) == text.replacing("Smith", with: "[NAME]"))
        }
        #expect(try FileIO.read(script.folder + "/starts").count { $0 == 10 } == 1)
    }

    @Test("A report larger than any buffer of the system goes both ways")
    func largeReportsPass() throws {
        let filter = try ExternalFilter("cat")
        let text = String(repeating: "clear lungs ", count: 200_000)
        #expect(try filter.filter(text) == text)
    }

    @Test("A filter that ends between two reports is started again, and no report is lost")
    func restarts() throws {
        let script = try Script("read -r line; printf '%s\\n' \"$line\"")
        let filter = try ExternalFilter(script.command)
        #expect(try filter.filter("one") == "one")
        // The end of the process is seen by the next call, or costs that report; it is never passed through.
        var right = 0
        for _ in 0..<6 {
            if (try? filter.filter("two")) == "two" { right += 1 }
        }
        #expect(right >= 3)
    }

    @Test("A filter that dies over a report refuses that report alone")
    func diesOverOne() throws {
        let script = try Script(
            "while read -r line; do case \"$line\" in *bad*) exit 3;; esac; printf '%s\\n' \"$line\"; done")
        let filter = try ExternalFilter(script.command)
        #expect(try filter.filter("good") == "good")
        #expect(Self.isFailure(Self.code { _ = try filter.filter("bad") }))
        #expect(try filter.filter("good again") == "good again")
    }

    @Test("A filter that hangs costs the limit, and then nothing more")
    func hangs() throws {
        let script = try Script("while read -r line; do sleep 600; done")
        let filter = try ExternalFilter(script.command, secondsPerReport: 0.2, pause: .seconds(600))
        let start = ContinuousClock.now
        for _ in 0..<ExternalFilter.failureLimit { #expect(Self.isFailure(Self.code { _ = try filter.filter("x") })) }
        #expect(ContinuousClock.now - start < .seconds(30))
        let later = ContinuousClock.now
        for _ in 0..<1000 { #expect(Self.isFailure(Self.code { _ = try filter.filter("x") })) }
        #expect(ContinuousClock.now - later < .seconds(2))
    }

    @Test("A filter that is broken is tried again after the pause")
    func triesAgain() throws {
        let script = try Script(
            "test -e \"$(dirname \"$0\")/good\" || exit 1; while read -r line; do printf '%s\\n' \"$line\"; done")
        let filter = try ExternalFilter(script.command, pause: .zero)
        for _ in 0..<8 { #expect(Self.isFailure(Self.code { _ = try filter.filter("x") })) }
        try FileIO.writeAtomically(script.folder + "/good", [1])
        #expect(try filter.filter("x") == "x")
    }

    @Test(
        "A wrong answer refuses the report",
        arguments: [
            "echo nonsense", "echo '{\"n\":2,\"text\":\"x\"}'", "echo '{\"n\":1}'", "echo '{\"n\":1,\"text\":7}'",
            "echo '{\"text\":\"x\"}'",
            "printf '{\"n\":1,\"text\":\"a\"}\\n{\"n\":2,\"text\":\"b\"}\\n'", "exit 0", "kill -9 $$",
            "printf '{\"n\":1'; exit 0", "exec cat /dev/zero",
            "head -c 1000000 /dev/zero | tr '\\0' x; sleep 9",
        ])
    func wrongAnswers(body: String) throws {
        let script = try Script("read -r line; \(body)")
        let filter = try ExternalFilter(script.command, secondsPerReport: 5)
        let code = Self.code { _ = try filter.filter("a secret report") }
        #expect(Self.isFailure(code), "\(String(describing: code))")
    }

    @Test("The filter itself may refuse, and no error holds text of the report")
    func refusals() throws {
        let script = try Script("while read -r line; do echo '{\"n\":1,\"refuse\":true}'; done")
        let filter = try ExternalFilter(script.command)
        do {
            _ = try filter.filter("a secret report")
            Issue.record("it was not refused")
        } catch {
            #expect(error.code == .filterRefused)
            #expect(!error.description.contains("secret"))
        }
        let loud = try Script("read -r line; echo \"$line\" >&2; exit 1")
        #expect(Self.isFailure(Self.code { _ = try ExternalFilter(loud.command).filter("x") }))
    }

    @Test("A program that is not there is an error in words, and so is a command that is none")
    func missingPrograms() throws {
        let filter = try ExternalFilter("/nowhere/filter --fast")
        let code = Self.code { _ = try filter.filter("x") }
        if case .filterMissing? = code {} else { Issue.record("\(String(describing: code))") }
        for command in ["", "   ", "sh 'open", "''", "a\\"] {
            #expect(Self.code { _ = try ExternalFilter(command) } != nil, "\(command)")
        }
    }

    @Test("Many threads share one filter")
    func threads() throws {
        let filter = try ExternalFilter("cat")
        let wrong = AtomicCounter()
        parallelFor(200, threads: 8) { index in
            if (try? filter.filter("report \(index)")) != "report \(index)" { wrong.increment() }
        }
        #expect(wrong.current == 0)
    }
}
