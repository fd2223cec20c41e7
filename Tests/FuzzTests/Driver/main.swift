// hilum-fuzz TARGET [options and folders of libFuzzer], hilum-fuzz --list, hilum-fuzz --seeds TARGET FOLDER
// Gives the inputs of libFuzzer to a target; tools/faults/sanitized.py builds it and calls it. --list leaves out the target `planted`, whose
// fault must be found.

import CLibFuzzer
import Foundation

func fail(_ text: String) -> Never {
    FileHandle.standardError.write(Data("hilum-fuzz: \(text)\n".utf8))
    exit(2)
}

func target(named name: String) -> FuzzTarget {
    let targets = FuzzTarget.all + [.planted]
    guard let found = targets.first(where: { $0.name == name }) else { fail("there is no target \(name)") }
    return found
}

let words = CommandLine.arguments
guard words.count >= 2 else { fail("name a target: \(FuzzTarget.all.map(\.name).joined(separator: ", "))") }
if words[1] == "--list" {
    for target in FuzzTarget.all { print(target.name, target.longestInput) }
    exit(0)
}
if words[1] == "--seeds", words.count == 4 {
    let chosen = target(named: words[2])
    try FileManager.default.createDirectory(atPath: words[3], withIntermediateDirectories: true)
    for (number, seed) in try chosen.seeds().enumerated() {
        try Data(seed).write(to: URL(fileURLWithPath: "\(words[3])/seed-\(number)"))
    }
    // As a dictionary of libFuzzer.
    let lines = chosen.words.map { word in
        "\"" + word.utf8.map { String(format: "\\x%02X", $0) }.joined() + "\""
    }
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: "\(words[3]).words"))
    exit(0)
}

// The callback may capture nothing, so the target is a global of this file.
let chosen = target(named: words[1])
var arguments = ([words[0]] + words.dropFirst(2)).map { strdup($0) } + [nil]
var count = Int32(arguments.count - 1)
let status = arguments.withUnsafeMutableBufferPointer { buffer in
    var start = buffer.baseAddress
    return LLVMFuzzerRunDriver(&count, &start) { data, size in
        if let finding = chosen.finding([UInt8](UnsafeBufferPointer(start: data, count: size))) {
            fatalError("\(chosen.name): \(finding)")
        }
        return 0
    }
}
exit(status)
