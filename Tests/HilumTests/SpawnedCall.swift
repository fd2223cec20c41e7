import Foundation
import HilumCore
import Testing

/// One call of the program with arguments of any bytes, within a time limit.
///
/// `Process` takes Swift strings only and needs a run loop; this is posix_spawn itself.
struct SpawnedCall {
    /// The exit status; nil if a signal ended it.
    let status: Int32?
    /// The signal that ended it; 0 if none did.
    let signal: Int32
    let output: String
    let errors: String
    /// Whether it was killed because its time was over.
    let isLate: Bool
    /// Whether it was asked to end, as it goes on until then.
    let wasStopped: Bool

    /// Runs `words` in `folder`.
    ///
    /// - Parameter marker: once this is on standard error or output, SIGTERM ends the call.
    init(_ words: [[UInt8]], in folder: String, seconds: Double, stopAt marker: String? = nil) throws {
        let scratch = try Scratch()
        let (outputPath, errorPath) = (scratch.path("output"), scratch.path("errors"))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT, 0o600)
        let settings = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HILUM_") }
        let variables = settings.map { "\($0)=\($1)" } + ["SWIFT_BACKTRACE=enable=no"]
        // Safety: each string is duplicated, and freed when this function ends; posix_spawn copies them.
        // The shell goes into the folder and becomes the program; posix_spawn alone cannot.
        let shell = ["/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", folder, Program.path]
        var arguments =
            (shell.map { Array($0.utf8) } + words).map { strdup($0.map { CChar(bitPattern: $0) } + [0]) } + [nil]
        var environment = variables.map { strdup($0) } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        var process = pid_t()
        let failure = posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, &environment)
        try #require(failure == 0, "posix_spawn: \(String(cString: strerror(failure)))")

        func text(_ path: String) -> String {
            String(decoding: (try? FileIO.read(path)) ?? [], as: UTF8.self)
        }
        let deadline = monotonicSeconds() + seconds
        var state: Int32 = 0
        var wasStopped = false
        var isLate = false
        var pause: UInt32 = 1000
        while waitpid(process, &state, WNOHANG) == 0 {
            if monotonicSeconds() > deadline {
                isLate = true
                kill(process, SIGKILL)
                waitpid(process, &state, 0)
                break
            }
            // By scalars: an accent after the marker would be one character with its last one.
            if let marker, !wasStopped,
                (text(errorPath) + text(outputPath)).unicodeScalars.contains(marker.unicodeScalars)
            {
                wasStopped = true
                kill(process, SIGTERM)
            }
            usleep(pause)
            pause = min(20_000, pause * 2)
        }
        signal = state & 0x7F
        status = signal == 0 ? (state >> 8) & 0xFF : nil
        output = text(outputPath)
        errors = text(errorPath)
        self.isLate = isLate
        self.wasStopped = wasStopped
    }
}
