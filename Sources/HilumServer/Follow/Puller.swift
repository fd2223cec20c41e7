import Foundation
import HilumArchive
import HilumCore

/// Asks a leader again and again, and makes its changes in the copy.
///
/// Thread rule: one thread.
final class Puller {
    private let copy: LeaderCopy
    private let archive: Archive
    private let following: Following
    private let isEnding: AtomicFlag
    private var client: Client?
    private var position: ArchivePosition?
    /// What was said of the leader last, so that the log says it once.
    private var complaint: String?
    private var reasonToStartAnew: String?
    /// Copies that could not be made, one after the other.
    private var failures = 0

    /// A leader that answers nothing for so long is asked anew.
    private static let patienceInSeconds = 30.0
    /// The end of the daemon is noticed within this time.
    private static let stepInSeconds = 0.02

    init(_ copy: LeaderCopy, _ archive: Archive, _ following: Following, isEnding: AtomicFlag) {
        self.copy = copy
        self.archive = archive
        self.following = following
        self.isEnding = isEnding
    }

    /// Works until it is told to end.
    ///
    /// - Returns: whether a newer copy lies beside the present one, which cannot go on.
    func run(every interval: Double) -> Bool {
        while !isEnding.isRaised {
            do {
                if try step() { return true }
                if complaint != nil { Log.info("the leader answers again") }
                complaint = nil
            } catch {
                client = nil
                let text = "\(error)"
                if !isEnding.isRaised, text != complaint { Log.warning("following is behind: \(text)") }
                complaint = text
            }
            let pause = failures == 0 ? interval : min(300, Double(1 << min(failures - 1, 9)))
            let end = monotonicSeconds() + max(interval, pause)
            while !isEnding.isRaised, monotonicSeconds() < end { usleep(UInt32(Self.stepInSeconds * 1e6)) }
        }
        return false
    }

    private func step() throws -> Bool {
        switch copy.leader {
        case .socket(let socket): try pull(socket)
        case .snapshots(let folder): try look(folder)
        }
    }

    /// Takes over what is new.
    private func pull(_ socket: String) throws -> Bool {
        let client =
            try client
            ?? Client(socketPath: socket, timeoutInSeconds: Self.patienceInSeconds, interrupted: isEnding)
        self.client = client
        while !isEnding.isRaised {
            let asked = monotonicSeconds()
            let position = try position ?? archive.position()
            let answer = try client.request("CHANGES since=\(Argument.quoted(position.text))")
            guard answer.status.isOK else {
                // What does not fit into an answer never will.
                guard [.stale, .limit].contains(answer.status.code) else {
                    throw ServerError.refused(answer.status.code ?? .internal, answer.status.text)
                }
                return try startAnew(answer.status.text)
            }
            let changes = try ChangesVerb.read(answer)
            do { if changes.position != position { try archive.apply(changes) } } catch let error as ArchiveError {
                guard error.code == .stale else { throw error }
                return try startAnew(error.reason)
            }
            self.position = changes.position
            following.note(currentAt: changes.hasMore ? nil : asked, behind: changes.behind)
            if !changes.hasMore { return false }
        }
        return false
    }

    private func startAnew(_ reason: String) throws -> Bool {
        if reason != reasonToStartAnew { Log.warning("the copy starts anew: \(reason)") }
        reasonToStartAnew = reason
        try make()
        return true
    }

    /// Makes a newer copy. Where none can be made, it is tried again later and later: a snapshot of a large archive is work for its leader.
    private func make() throws {
        do { try copy.make(at: copy.next, interrupted: isEnding) } catch {
            failures += 1
            throw error
        }
        failures = 0
    }

    /// Looks for a newer snapshot.
    private func look(_ folder: String) throws -> Bool {
        guard let found = FoundSnapshot.newest(in: folder) else {
            throw ServerError.refused(.notFound, "\(folder): there is no snapshot here any more")
        }
        guard found.sha256 != copy.followed else {
            let age = max(0, Date.now.timeIntervalSince(found.created))
            following.note(currentAt: monotonicSeconds() - age, behind: 0)
            return false
        }
        try make()
        return true
    }
}
