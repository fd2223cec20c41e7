import Foundation

/// One process of the program `hilum-dicom`, which decodes one file after the other behind limits of its own.
///
/// Thread rule: one exchange at a time. The process ends with this object.
final class DICOMProcess: Sendable {
    /// What is said of a process that ended without a fault of the file, as far as can be told.
    static let lost = ImagingError.Code.decoderLost(reason: "ended")

    /// What is said of a program that was built from other messages.
    static let foreign = ImagingError.Code.decoderMissing(
        "hilum-dicom belongs to another release of hilum; install both from one")

    /// The longest time without an answer. The process ends itself long before, by the time of a processor that it took.
    private static let patienceInSeconds = 30
    /// Exit status of a program whose libraries are missing, as the system's loader gives it.
    private static let loaderStatus = 127

    let process: pid_t
    private let descriptor: Int32
    private let stream: DICOMStream

    /// - Throws: `decoderMissing`.
    init(program: String) throws(ImagingError) {
        var pair: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
            throw ImagingError(.decoderMissing(String(cString: strerror(errno))))
        }
        defer { close(pair[1]) }
        var patience = timeval(tv_sec: Self.patienceInSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(pair[0], SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        var started: pid_t = 0
        let failure = Self.spawn(program, pair[1], &started)
        guard failure == 0 else {
            close(pair[0])
            throw ImagingError(.decoderMissing("\(program): \(String(cString: strerror(failure)))"))
        }
        process = started
        descriptor = pair[0]
        stream = DICOMStream(pair[0], isSocket: true)
    }

    deinit {
        close(descriptor)
        kill(process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    }

    /// Starts the program with `socket` as its standard input and output. It closes whatever else it gets.
    private static func spawn(_ program: String, _ socket: Int32, _ started: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, socket, 0)
        posix_spawn_file_actions_adddup2(&actions, socket, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // In a group of its own: Ctrl-C lets a run end what it has begun.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var variables = ["SWIFT_BACKTRACE=enable=no"]
        let given = ProcessInfo.processInfo.environment
        if let path = given["LD_LIBRARY_PATH"] { variables.append("LD_LIBRARY_PATH=\(path)") }
        // Safety: each string is duplicated here and freed below; the program gets copies.
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), nil]
        var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        return posix_spawn(&started, program, &actions, &attributes, &arguments, &environment)
    }

    /// Decodes one file.
    ///
    /// - Parameter version: of the messages that this program knows; a test may know others.
    /// - Returns: the picture, or why the process refused the file.
    /// - Throws: `decoderStopped`, `decoderLost`, `decoderMissing`; then this object is of no use any more.
    func decode(
        _ bytes: UnsafeRawBufferPointer, _ request: DICOMMessage.Request, version: UInt8 = DICOMMessage.version
    ) throws(ImagingError) -> Result<DICOMPicture, ImagingError> {
        do throws(DICOMStream.Failure) {
            try stream.send([version] + request.encoded)
            try stream.send(bytes)
        } catch {
            // It may have said why it takes no more.
            guard error == .ended else { throw ImagingError(.decoderStopped(reason: "it did not answer")) }
        }
        do throws(DICOMStream.Failure) {
            if try stream.receive(1) == [version] { return try answer(request) }
        } catch {
            throw ImagingError(error == .late ? .decoderLost(reason: "did not answer") : epitaph())
        }
        throw ImagingError(Self.foreign)
    }

    private func answer(
        _ request: DICOMMessage.Request
    ) throws(DICOMStream.Failure) -> Result<DICOMPicture, ImagingError> {
        let headBytes = try stream.receive(DICOMMessage.ReplyHead.encodedByteCount)
        guard let head = try? DICOMMessage.ReplyHead(headBytes),
            head.outcomeByteCount <= DICOMMessage.outcomeByteCount
        else { throw .ended }
        let outcomeBytes = try stream.receive(head.outcomeByteCount)
        guard let outcome = try? DICOMMessage.Outcome(outcomeBytes) else { throw .ended }
        switch outcome {
        case .refused(let error): return .failure(error)
        case .picture(let description):
            // What a broken process says is not believed.
            let most = request.side.map { $0 * $0 } ?? request.limits.maxPixelCount
            let (count, isTooMuch) = head.width.multipliedReportingOverflow(by: head.height)
            guard head.width > 0, head.height > 0, !isTooMuch, count <= most else { throw .ended }
            let samples = try stream.receiveSamples(count)
            let image = GrayImage(width: head.width, height: head.height, samples: samples)
            return .success(DICOMPicture(image: image, description: description))
        }
    }

    /// How the process ended.
    private func epitaph() -> ImagingError.Code {
        var info = siginfo_t()
        // It has closed its end, or will be ended here. The status stays for `deinit`.
        kill(process, SIGKILL)
        guard waitid(P_PID, id_t(process), &info, WEXITED | WNOWAIT) == 0 else { return Self.lost }
        let status = info._sifields._sigchld.si_status
        if info.si_code == CLD_EXITED {
            return status == Self.loaderStatus ? .decoderMissing("a library that it needs is missing") : Self.lost
        }
        switch status {
        case SIGPROF: return .decoderStopped(reason: "it takes more than 2 s")
        case SIGKILL: return Self.lost
        default: return .decoderStopped(reason: "it brings the decoder down (signal \(status))")
        }
    }
}
