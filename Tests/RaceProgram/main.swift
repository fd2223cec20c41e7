// hilum-race FOLDER SECONDS: readers of every kind beside a writer, in an archive in FOLDER, for the thread sanitizer.
// Ends with a line `changes searches reads` and 0; with 1 when an answer is wrong. tools/faults/sanitized.py builds and calls it.
// hilum-race --planted KIND: threads that do wrong, which the sanitizer must tell. KIND is `counter`, `array` or `locks`.

import Foundation
import HilumArchive
import HilumCore
import HilumEmbedding
import HilumImaging
import HilumIndex
import Synchronization

/// Words at random places of the sphere: an encoder without a network.
struct WordEmbedder: Embedder {
    let modelID = String(repeating: "ab", count: 32)
    let dimension = 24

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        images.flatMap { vector([UInt64($0.samples[0])]) }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        reports.flatMap { report in
            vector(
                report.lowercased().split { !$0.isLetter && !$0.isNumber }.map { word in
                    word.utf8.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
                })
        }
    }

    private func vector(_ keys: [UInt64]) -> [Float] {
        var sums = [Double](repeating: 0, count: dimension)
        for key in keys {
            var generator = SeededGenerator(seed: 7, keys: key)
            for index in sums.indices { sums[index] += generator.normal() }
        }
        if sums.allSatisfy({ $0 == 0 }) { sums[0] = 1 }
        let length = sums.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return sums.map { Float($0 / length) }
    }
}

/// A thread that the sanitizer can follow, which the queues of Dispatch are not.
final class Beside: @unchecked Sendable {
    // Sendable: `thread` is only touched by the creator, `body` only by the new thread.
    private let body: @Sendable () -> Void
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
        let box = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { box in
                guard let box else { return nil }
                Unmanaged<Beside>.fromOpaque(box).takeRetainedValue().body()
                return nil
            }, box)
        precondition(status == 0, "no thread")
    }

    func join() { pthread_join(thread, nil) }
}

let findings = ["pleural effusion", "mass", "pneumothorax", "nodule", "edema", "fracture", "atelectasis"]
let sides = ["left", "right", "bilateral"]

@Sendable func input(_ number: Int, _ version: Int) -> CaseInput {
    let text =
        "\(sides[number % 3]) \(findings[(number + version) % 7]). No \(findings[(number + 2) % 7]). Series \(number)."
    let fields = CaseFields(
        patient: "p\(number / 4)", view: number % 2 == 0 ? "PA" : "AP", date: "2020-01-\(10 + number % 18)",
        metadata: ["n": "\(number)"])
    return CaseInput(id: "case-\(number)", report: text, fields: fields)
}

/// What nothing guards.
final class Unguarded: @unchecked Sendable {
    // Sendable: it is not, which is what it is for.
    var count = 0
    var numbers = [Int](repeating: 0, count: 100)
}

/// Two locks where one belongs.
final class Locks: Sendable {
    let first = Mutex(0)
    let second = Mutex(0)
}

/// Faults of the kinds that the archive could have: nothing guards a number, an array is changed while it is read, and threads that wait for
/// locks wait for different ones. `CThreadNotes` tells the sanitizer of locks and arrays, and must not tell too much.
func plant(_ kind: String) -> Bool {
    let (shared, locks, sum) = (Unguarded(), Locks(), AtomicCounter())
    let turns = 0..<10_000
    let threads: [Beside]
    switch kind {
    case "counter": threads = (0..<2).map { _ in Beside { for _ in turns { shared.count += 1 } } }
    case "array":
        threads = [
            Beside { for turn in turns { shared.numbers[turn % 100] += 1 } },
            Beside { for _ in turns { sum.increment(by: shared.numbers.reduce(0, +)) } },
        ]
    case "locks":
        threads = (0..<4).map { place in
            Beside {
                for _ in turns {
                    if place < 2 {
                        locks.first.withLock { _ in shared.count += 1 }
                    } else {
                        locks.second.withLock { _ in shared.count += 1 }
                    }
                }
            }
        }
    default: return false
    }
    for thread in threads { thread.join() }
    print(shared.count + sum.current)
    return true
}

let words = CommandLine.arguments
if words.count == 3, words[1] == "--planted", plant(words[2]) { exit(0) }
guard words.count == 3, let seconds = Double(words[2]) else {
    FileHandle.standardError.write(Data("usage: hilum-race FOLDER SECONDS\n".utf8))
    exit(2)
}
let path = words[1]
try Archive.create(at: path)
var options = Archive.Options()
options.changesBetweenCheckpoints = 150
options.vectorsForCodes = 300
options.graph = HNSWParameters(m: 6, efConstruction: 30)
let archive = try Archive(path: path, mode: .readWrite, embedder: WordEmbedder(), options: options)
let stable = 200
_ = try archive.put((0..<stable).map { input($0, 0) }, threads: 1)

let isDone = AtomicFlag()
let (changes, searches, reads, wrong) = (AtomicCounter(), AtomicCounter(), AtomicCounter(), AtomicCounter())

@Sendable func complain(_ text: String) {
    wrong.increment()
    FileHandle.standardError.write(Data("hilum-race: \(text)\n".utf8))
}

/// Cases below `stable` are never changed: they are always found, and as they are.
let readers = (0..<3).map { place in
    Beside {
        var generator = SeededGenerator(seed: 5, keys: UInt64(place))
        while !isDone.isRaised {
            let number = generator.integer(below: stable)
            let wanted = input(number, 0)
            do {
                switch generator.integer(below: 8) {
                case 0, 1:
                    var request = SearchRequest(.text(wanted.report ?? ""))
                    request.mode = generator.chance(0.5) ? .vector : .hybrid
                    request.isExact = generator.chance(0.2)
                    let hits = try archive.search(request).hits
                    if !hits.contains(where: { $0.id == wanted.id }) {
                        complain("\(wanted.id) is not found by its report")
                    }
                    searches.increment()
                case 2:
                    var request = SearchRequest(.id(wanted.id))
                    request.filter = try Filter(parsing: "view=PA n=..\(stable - 1)")
                    let hits = try archive.search(request).hits
                    if hits.contains(where: { $0.record.fields.view == "AP" }) {
                        complain("a filter lets another view pass")
                    }
                    searches.increment()
                case 3:
                    var request = SearchRequest(.text(findings[number % 7]))
                    request.mode = .words
                    if try archive.search(request).hits.isEmpty { complain("no report is found by a word") }
                    searches.increment()
                case 4:
                    if try archive.get(id: wanted.id)?.report != wanted.report {
                        complain("\(wanted.id) has another report")
                    }
                    reads.increment()
                case 5:
                    let count = try archive.count(Filter(parsing: "n=..\(stable - 1)"))
                    if count != stable { complain("\(count) of \(stable) cases are counted") }
                    reads.increment()
                case 6:
                    _ = try archive.facet(by: "view", Filter(), limit: 5)
                    _ = try archive.stats()
                    reads.increment()
                default:
                    if try archive.vectors(id: wanted.id)?.isEmpty ?? true { complain("\(wanted.id) has no vector") }
                    reads.increment()
                }
            } catch { complain("\(error)") }
        }
    }
}

let writer = Beside {
    var generator = SeededGenerator(seed: 9)
    while !isDone.isRaised {
        let number = stable + generator.integer(below: 300)
        do {
            switch generator.integer(below: 10) {
            case 0..<3: _ = try archive.delete(id: "case-\(number)")
            case 3:
                _ = try archive.put((number..<(number + 8)).map { input($0, generator.integer(below: 7)) }, threads: 1)
            case 4: _ = try archive.estimateRecall(forSeconds: 0.005) { false }
            default: _ = try archive.put([input(number, generator.integer(below: 7))], threads: 1)
            }
            changes.increment()
        } catch { complain("\(error)") }
    }
}

Thread.sleep(forTimeInterval: seconds)
isDone.raise()
for thread in readers + [writer] { thread.join() }
let report = try archive.check(deep: true)
for finding in report.findings { complain("\(finding)") }
archive.close()
print("\(changes.current) \(searches.current) \(reads.current)")
exit(wrong.current == 0 && changes.current > 0 && searches.current > 0 ? 0 : 1)
