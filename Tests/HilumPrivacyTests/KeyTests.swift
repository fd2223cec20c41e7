import Foundation
import HilumCore
import HilumPrivacy
import Testing

@Suite("Pseudonyms and dates")
struct KeyTests {
    private static let secret = [UInt8](0..<32)
    private static func key(_ secret: [UInt8] = secret) throws -> PseudonymKey { try PseudonymKey(secret: secret) }

    @Test("HMAC-SHA-256 gives the codes of RFC 4231, cases 1 and 2")
    func codesAreThoseOfTheStandard() {
        #expect(
            hexadecimal(HMACSHA256(key: [UInt8](repeating: 0x0B, count: 20)).code("Hi There"))
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            hexadecimal(HMACSHA256(key: Array("Jefe".utf8)).code("what do ya want for nothing?"))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }

    @Test("A pseudonym is stable, has its form, and hangs on the key")
    func pseudonymsAreStable() throws {
        let key = try Self.key()
        #expect(key.id("0048-2917") == (try Self.key()).id("0048-2917"))
        #expect(key.id("0048-2917").utf8.count == 20)
        #expect(key.id("0048-2917").utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) })
        #expect(key.id("0048-2917") != key.id("0048-2918"))
        var other = Self.secret
        other[31] ^= 1
        #expect(key.id("0048-2917") != (try Self.key(other)).id("0048-2917"))
        #expect(key.uid("1.2.3") != (try Self.key(other)).uid("1.2.3"))
        #expect(Set((0..<20_000).map { key.id(String($0)) }).count == 20_000)
    }

    @Test("The pseudonym of a UID is a valid UID of a version 8 UUID; padding does not count")
    func uidsAreValid() throws {
        let key = try Self.key()
        for number in 0..<500 {
            let uid = key.uid("1.2.840.113619.2.\(number)")
            let parts = uid.split(separator: ".", omittingEmptySubsequences: false)
            #expect(uid.utf8.count <= 64 && parts.count == 3 && parts[0] == "2" && parts[1] == "25")
            let value = try #require(UInt128(String(parts[2])))
            #expect(String(value) == parts[2])
            #expect(value >> 76 & 15 == 8 && value >> 62 & 3 == 2)
        }
        #expect(key.uid("1.2.3\0") == key.uid("1.2.3"))
        #expect(key.uid("1.2.3") != key.uid("1.2.4"))
    }

    @Test("A pseudonym stands for itself, and only by its own key")
    func pseudonymsStay() throws {
        let key = try Self.key()
        var secret = Self.secret
        secret[0] ^= 1
        let other = try Self.key(secret)
        for text in ["0048-2917", "", "山田太郎", "1.2.840.10008"] {
            #expect(key.id(key.id(text)) == key.id(text))
            #expect(key.isPseudonym(key.id(text)) && !key.isPseudonym(text))
            #expect(other.id(key.id(text)) != key.id(text))
            #expect(key.uid(key.uid(text)) == key.uid(text))
            #expect(other.uid(key.uid(text)) != key.uid(text))
        }
    }

    @Test("A sealed name opens by its key alone, and not when a byte of it has changed")
    func sealsOpen() throws {
        let seal = try Self.key().names
        var secret = Self.secret
        secret[0] ^= 1
        let other = try Self.key(secret).names
        for name in ["", "a", "/data/Smith_John/scan.dcm", "山田/太郎.png", String(repeating: "long ", count: 100)] {
            let sealed = seal.seal(name)
            #expect(seal.open(sealed) == name && seal.seal(name) == sealed)
            #expect(other.open(sealed) == nil && seal.open(name) == nil)
            #expect(name.isEmpty || !sealed.contains(name) || name == "a")
            var bytes = Array(sealed.utf8)
            bytes[10] = bytes[10] == 65 ? 66 : 65
            #expect(seal.open(String(decoding: bytes, as: UTF8.self)) == nil)
        }
    }

    @Test("The names of a log, pseudonyms of ids and of UIDs tell nothing of each other")
    func usesAreApart() throws {
        let key = try Self.key()
        let log = LogNames(key: Self.secret).name("0048-2917").dropFirst()
        #expect(!key.id("0048-2917").hasPrefix(log))
        #expect(!hexadecimal(Array(key.id("0048-2917").utf8)).contains(log))
    }

    @Test("The key is made once, for its owner alone, also by many at once")
    func keyIsMadeOnce() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/hilum-key-\(UUID().uuidString)"
        try FileIO.makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = folder + "/log.key"
        let names = Names()
        parallelFor(16, threads: 8) { _ in
            if let key = try? PseudonymKey(file: file) { names.add(key.id("x")) }
        }
        #expect(names.all.count == 16)
        #expect(Set(names.all).count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["log.key"])
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600 && status.st_size == 32)
        // The key that names cases in logs is taken over.
        #expect(try LogNames(file: file).name("a") == LogNames(key: FileIO.read(file)).name("a"))

        chmod(file, 0o644)
        #expect { try PseudonymKey(file: file) } throws: { ($0 as? PrivacyError)?.code == .openKey }
        chmod(file, 0o600)
        try FileIO.writeAtomically(file, [UInt8](repeating: 1, count: 5))
        chmod(file, 0o600)
        #expect { try PseudonymKey(file: file) } throws: { ($0 as? PrivacyError)?.code == .badKey }
    }

    private final class Names: @unchecked Sendable {
        // Sendable: `list` is touched under `lock` alone.
        private let lock = NSLock()
        private var list: [String] = []
        func add(_ name: String) { lock.withLock { list.append(name) } }
        var all: [String] { lock.withLock { list } }
    }

    // MARK: Dates

    @Test("All dates of a patient move by the same 1 to 365 days into the past")
    func datesMoveTogether() throws {
        let shift = DateShift(.shift, key: try Self.key())
        var days = Set<Int>()
        for number in 0..<4000 {
            let patient = String(number)
            let by = shift.days(of: patient)
            #expect(-365...(-1) ~= by)
            #expect(by == shift.days(of: patient))
            days.insert(by)
        }
        #expect(days.count > 350)
    }

    @Test("The days between two dates stay, over leap years and the turn of a century")
    func distancesStay() throws {
        let shift = DateShift(.shift, key: try Self.key())
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        for patient in ["a", "b", "c"] {
            for date in ["2019-03-12", "2020-02-29", "2000-12-31", "1900-03-01", "2021-01-01"] {
                let moved = try #require(shift.apply(to: date, of: patient))
                let parts = { (text: String) in text.split(separator: "-").compactMap { Int($0) } }
                let days = { (text: String) -> Int in
                    let part = parts(text)
                    let day = calendar.date(from: DateComponents(year: part[0], month: part[1], day: part[2]))
                    return Int((day?.timeIntervalSince1970 ?? 0) / 86_400)
                }
                #expect(days(moved) - days(date) == shift.days(of: patient))
                #expect(shift.apply(to: date.replacing("-", with: ""), of: patient) == moved.replacing("-", with: ""))
                #expect(shift.apply(to: date + "T14:32:05", of: patient) == moved + "T14:32:05")
            }
        }
    }

    @Test("Months and years move as their middle does, and what is no date goes")
    func coarseDatesMove() throws {
        let shift = DateShift(.shift, key: try Self.key())
        let day = try #require(shift.apply(to: "2019-03-15", of: "p"))
        #expect(shift.apply(to: "2019-03", of: "p") == String(day.prefix(7)))
        #expect(shift.apply(to: "201903", of: "p") == String(day.prefix(7)).replacing("-", with: ""))
        let middle = try #require(shift.apply(to: "2019-07-01", of: "p"))
        #expect(shift.apply(to: "2019", of: "p") == String(middle.prefix(4)))
        for bad in [
            "2019-02-30", "2019-13-01", "yesterday", "", "12/03/2019", "2019-03-12 (Smith)", "20190312X", "19",
            "0001-01-01", "2019-3-1",
        ] {
            #expect(shift.apply(to: bad, of: "p") == nil, "\(bad)")
        }
        #expect(shift.apply(to: "2019-03-12", of: nil) == nil)
        #expect(shift.apply(to: "2019-03-12", of: "") == nil)
    }

    @Test("Dates stay or go where that is asked for")
    func modes() throws {
        #expect(DateShift(.keep, key: try Self.key()).apply(to: "2019-03-12", of: nil) == "2019-03-12")
        #expect(DateShift(.drop, key: try Self.key()).apply(to: "2019-03-12", of: "p") == nil)
        #expect(DateShift.Mode(rawValue: "shift") == .shift)
    }
}
