import HilumCore
import Synchronization

/// A program of the user's that takes identifiers out of reports, such as philter or presidio behind a few lines of script.
///
/// It is started once and gets one report after the other, a line of JSON each, and answers each with a line:
///
///     → {"n":17,"text":"Dr. Smith saw …"}
///     ← {"n":17,"text":"[NAME] saw …"}        the text to keep
///     ← {"n":17,"refuse":true}                this report must not be kept
///
/// `n` counts the reports of a process from 1 and must come back. Line feeds of the text are written `\n`. The end of input asks the
/// program to end. What it writes to standard error goes nowhere, as it may hold text of reports.
///
/// A report without a good answer is refused, never passed through: when the program ends, says something else, or takes longer than the
/// limit. The process is then ended, and the next report starts another. After `failureLimit` failures in a row without an answer,
/// reports are refused at once, and every `pause` one more is tried; so neither a hanging nor a broken filter holds up a run.
///
/// The command is cut into words as a shell would, and no shell runs it; text of reports is in no argument.
/// Thread rule: any thread; calls wait for each other, as the program reads one report at a time.
public final class ExternalFilter: Sendable {
    /// So many failures in a row stop the trying.
    public static let failureLimit = 5
    /// An answer has at most so many bytes beyond eight times the report.
    private static let slackByteCount = 1 << 16

    private struct State {
        var process: FilterProcess?
        /// Reports that this process was given.
        var count = 0
        var failures = 0
        var retry = ContinuousClock.now
    }

    private let command: FilterCommand
    private let limit: Duration
    private let pause: Duration
    private let state = Mutex(State())

    /// A filter that runs a command; it is started by the first report.
    ///
    /// - Parameters:
    ///   - command: the program, found as by `PATH`, and its arguments.
    ///   - secondsPerReport: how long an answer may take.
    ///   - pause: how long reports are refused untried after too many failures.
    /// - Throws: `.filterMissing` for a command that cannot be read.
    public init(_ command: String, secondsPerReport: Double = 10, pause: Duration = .seconds(60)) throws(PrivacyError) {
        self.command = try FilterCommand(command)
        limit = .seconds(secondsPerReport)
        self.pause = pause
    }

    /// The text as the program gives it back.
    ///
    /// - Throws: `.filterMissing`, `.filterFailed`, `.filterRefused`; the report must then be refused.
    public func filter(_ text: String) throws(PrivacyError) -> String {
        let result = state.withLock { state in
            Result { () throws(PrivacyError) -> String in
                guard state.failures < Self.failureLimit || ContinuousClock.now >= state.retry else {
                    throw self.failed("has failed \(state.failures) times in a row")
                }
                do throws(PrivacyError) {
                    let answer = try self.ask(text, &state)
                    state.failures = 0
                    return answer
                } catch {
                    // A refusal is an answer.
                    if error.code == .filterRefused {
                        state.failures = 0
                    } else {
                        state.process = nil
                        state.failures += 1
                        state.retry = ContinuousClock.now + self.pause
                    }
                    throw error
                }
            }
        }
        return try result.get()
    }

    private func ask(_ text: String, _ state: inout State) throws(PrivacyError) -> String {
        let process: FilterProcess
        // One that ended between two reports is replaced, and no report is lost.
        if let running = state.process, running.isWaiting {
            process = running
        } else {
            state.process = nil
            process = try FilterProcess(command)
            state.process = process
            state.count = 0
        }
        state.count += 1
        var json = JSONWriter()
        json.beginObject()
        json.member("n", state.count)
        json.member("text", text)
        json.endObject()
        let line: [UInt8]
        do throws(FilterProcess.Failure) {
            line = try process.exchange(
                json.bytes + [10], limit: 8 * json.bytes.count + Self.slackByteCount,
                deadline: ContinuousClock.now + limit)
        } catch {
            switch error {
            case .late: throw failed("did not answer in time")
            case .ended: throw failed("ended, or wrote more than one line for a report")
            case .tooLong: throw failed("wrote too long a line")
            }
        }
        guard let answer = try? JSON(parsing: line[...]), answer["n"]?.integer == state.count else {
            throw failed("answered something else than the JSON of its report")
        }
        if case .bool(true)? = answer["refuse"] { throw PrivacyError(.filterRefused, path: command.words[0]) }
        guard let text = answer["text"]?.string else { throw failed("answered without a text") }
        return text
    }

    private func failed(_ reason: String) -> PrivacyError {
        PrivacyError(.filterFailed(reason), path: command.words[0])
    }
}
