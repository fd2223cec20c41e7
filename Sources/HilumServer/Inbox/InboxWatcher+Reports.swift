import HilumArchive
import HilumCore

/// Messages and structured reports in an inbox. Each report joins the case that it names, whichever of both comes first.
extension InboxWatcher {
    /// Takes the reports among arrivals, after their images.
    func takeReports(_ arrivals: [InboxLedger.Arrival], _ taken: inout [Taken]) {
        var open: [(arrival: Int, source: SourceCase)] = []
        for (index, arrival) in arrivals.enumerated() {
            for file in arrival.files where file.role == .message {
                let path = "\(folder)/\(file.path)"
                let stamps = [InboxRun.stamp(of: path)].compactMap(\.self)
                let reports = CaseFinder.reports(in: file, root: folder)
                for refusal in reports.refused {
                    if refusal.mayPass {
                        let verdict = refuse([path], id: nil, .io, refusal.reason, isOfCase: true)
                        taken[index].verdict = Self.worse(taken[index].verdict, verdict)
                        continue
                    }
                    log.refused([path], stamps: stamps, refusal.reason)
                    taken[index].verdict = Self.worse(taken[index].verdict, .refused)
                }
                for (reason, count) in reports.passedOver.sorted {
                    log.noted(path, stamps: stamps, "passed over in it: \(reason): \(count)")
                }
                open += reports.cases(root: folder).map { (index, $0) }
            }
        }
        while !open.isEmpty && !stopping.isRaised { open = takeNext(of: open, &taken) }
        for (index, _) in open { taken[index].verdict = .failed(retryAt: 0) }
    }

    /// Takes at most one report of each case, as the next one joins what that one leaves.
    ///
    /// - Returns: the others.
    private func takeNext(
        of open: [(arrival: Int, source: SourceCase)], _ taken: inout [Taken]
    ) -> [(arrival: Int, source: SourceCase)] {
        var keys: Set<String> = []
        var rest: [(arrival: Int, source: SourceCase)] = []
        var next: [(arrival: Int, source: SourceCase)] = []
        for item in open {
            guard next.count < configuration.batchCount, keys.isDisjoint(with: item.source.reportKeys) else {
                rest.append(item)
                continue
            }
            keys.formUnion(item.source.reportKeys)
            do {
                let source = try archive.withReports(item.source)
                // Two keys may lead to one case.
                guard keys.insert("\u{0}" + source.id).inserted else {
                    rest.append(item)
                    continue
                }
                next.append((item.arrival, source))
            } catch {
                taken[item.arrival].verdict = Self.worse(
                    taken[item.arrival].verdict, refuse(item.source, error))
            }
        }
        remembering { memory in
            for (_, source) in next { for path in source.paths { memory.noteReport(path, id: source.id) } }
        }
        for ((index, _), verdict) in zip(next, store(next.map(\.source))) {
            taken[index].verdict = Self.worse(taken[index].verdict, verdict)
        }
        return rest
    }

    private func refuse(_ source: SourceCase, _ error: any Error) -> InboxLedger.Verdict {
        guard let error = error as? ArchiveError, error.code == .exists else {
            let refusal = WriterQueue.refusal(error)
            return refuse(source.paths, id: source.id, .io, refusal.text)
        }
        return refuseReport(source, error)
    }

    /// Refuses a report whose keys or patient do not agree with a stored case, and says why.
    func refuseReport(_ source: SourceCase, _ error: ArchiveError) -> InboxLedger.Verdict {
        let stamps = source.paths.compactMap { InboxRun.stamp(of: $0) }
        log.refused(source.paths, id: source.id, stamps: stamps, error.reason)
        return .refusedAsCase
    }
}
