import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// How many cases are measured; nil for no measure.
private let measuredCount = ProcessInfo.processInfo.environment["HILUM_REEMBED_CASES"].flatMap { Int($0) }

/// Measures, and holds the measure against a target: only where `HILUM_REEMBED_CASES` says with how many cases.
@Suite(.enabled(if: measuredCount != nil), .serialized)
struct ReembedMeasure {
    /// Milliseconds of each search that one client makes, with a pause of two milliseconds after each, until `isOver` says so.
    private func latencies(_ archive: Archive, until isOver: () throws -> Bool) throws -> [Double] {
        var times: [Double] = []
        var generator = SeededGenerator(seed: 77)
        while try !isOver() {
            let text = makeReport(1 + generator.integer(below: 5000))
            let started = monotonicSeconds()
            var request = SearchRequest(.text(text))
            request.mode = .vector
            _ = try archive.search(request)
            times.append((monotonicSeconds() - started) * 1000)
            usleep(2000)
        }
        return times
    }

    private func percentile(_ times: [Double], _ share: Double) -> Double {
        let sorted = times.sorted()
        return sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }

    @Test func searchesBesideTheWorkAreNotSlowerThanTwice() throws {
        let count = try #require(measuredCount)
        let scratch = try Scratch()
        var options = FakeModel.options
        options.vectorsForCodes = 2000
        let archive = try FakeModel.makeArchive(scratch, options: options)
        for start in stride(from: 0, to: count, by: 2000) {
            try archive.put(
                (start..<min(start + 2000, count)).map { CaseInput(id: "case-\($0)", report: makeReport($0)) })
        }
        try archive.writeCheckpoint()
        _ = try latencies(archive) { archive.recall.estimate(.report).waitingCount >= 64 }
        let idleEnd = monotonicSeconds() + 20
        let idle = try latencies(archive) { monotonicSeconds() >= idleEnd }
        let reembedder = Reembedder(archive)
        reembedder.start()
        let started = monotonicSeconds()
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        var rates: [Double] = []
        let beside = try latencies(archive) {
            let status = try archive.reembedStatus()
            if let rate = status.casesPerSecond { rates.append(rate) }
            return status.state == .ready
        }
        let seconds = monotonicSeconds() - started
        let before = monotonicSeconds()
        try archive.switchGeneration()
        let switching = monotonicSeconds() - before
        reembedder.stop()
        let (p50, p99) = (percentile(idle, 0.5), percentile(idle, 0.99))
        let (p50Beside, p99Beside) = (percentile(beside, 0.5), percentile(beside, 0.99))
        print(
            String(
                format: "re-embedding %d cases: %.1f s, %.1f cases/s; switch %.1f ms", count, seconds,
                Double(count) / seconds, switching * 1000))
        print(
            String(
                format:
                    "searches, idle: %d, p50 %.2f ms, p99 %.2f ms; beside: %d, p50 %.2f ms, p99 %.2f ms, ratio %.2f",
                idle.count, p50, p99, beside.count, p50Beside, p99Beside, p99Beside / p99))
        #expect(p99Beside <= 2 * p99)
        #expect(try archive.check(deep: true).findings == [])
    }
}
