import Foundation
import Testing

@testable import HilumCore

@Suite struct LineSinkTests {
    /// What a descriptor that does not wait has to read.
    private func everything(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &block, block.count)
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
        }
    }

    @Test("a log that nobody reads is lost and not waited for", arguments: [true, false])
    func full(isSocket: Bool) throws {
        var ends: [Int32] = [-1, -1]
        if isSocket {
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        } else {
            try #require(pipe(&ends) == 0)
        }
        defer { for end in ends { close(end) } }
        try #require(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        let sink = LineSink(descriptor: ends[1])
        let line = String(repeating: "x", count: 999) + "\n"
        // More than any pipe or socket holds.
        for _ in 0..<3_000 { sink.write(line) }
        let first = everything(ends[0])
        #expect(first.utf8.count < 2_000_000 && first.hasPrefix(line))
        sink.write("again\n")
        let lost = 3_000 - first.split(separator: "\n").count
        let rest = everything(ends[0])
        #expect(rest.hasSuffix("messages had no room here and are lost\nagain\n"))
        // Of a line that had room for its beginning only, the end is lost.
        #expect([lost, lost + 1].contains(Int(rest.prefix { $0.isNumber }) ?? -1))
        sink.write("more\n")
        #expect(everything(ends[0]) == "more\n")
    }

    @Test func aLongLineIsCut() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        try #require(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        LineSink(descriptor: ends[1]).write(String(repeating: "é", count: 5_000) + "\n")
        let text = everything(ends[0])
        #expect(text.hasSuffix("\n") && text.split(separator: "\n").count == 1)
    }
}
