import HilumCore
import Testing

@Suite("Work that makes room for others") struct CourtesyTests {
    /// Keeps a core for about so long.
    private func spin(seconds: Double) {
        let end = monotonicSeconds() + seconds
        while monotonicSeconds() < end {}
    }

    @Test("It rests for several times what a piece took, while somebody waits")
    func rests() {
        let began = monotonicSeconds()
        let result = Courtesy(restFactor: 1_000) { true }.piece { () -> Int in
            var sum = 0
            for number in 0..<200_000 { sum = sum &* 31 &+ number }
            return sum
        }
        // However fast the machine is, that took more than 20 microseconds of a core.
        #expect(result != 0 && monotonicSeconds() - began >= 0.02)
    }

    @Test("It goes on at once when nobody waits, and as soon as nobody does any more")
    func goesOn() {
        let began = monotonicSeconds()
        #expect(!Courtesy.none.isWanted)
        Courtesy.none.piece { spin(seconds: 0.001) }
        let asked = AtomicCounter()
        Courtesy(restFactor: 1e6) { asked.increment() < 5 }.piece { spin(seconds: 0.01) }
        // A rest of 10,000 s otherwise.
        #expect(monotonicSeconds() - began < 60)
        #expect(asked.current >= 5)
    }

    @Test("It does not rest while it is hurried, whoever waits")
    func isHurried() {
        let began = monotonicSeconds()
        let asked = AtomicCounter()
        let courtesy = Courtesy(restFactor: 1e6) { true }.unless { asked.increment() >= 5 }
        #expect(courtesy.isWanted)
        courtesy.piece { spin(seconds: 0.01) }
        // A rest of 10,000 s otherwise.
        #expect(monotonicSeconds() - began < 60)
        #expect(asked.current >= 5 && !courtesy.isWanted)
    }

    @Test("It never stands still, however long somebody waits")
    func isBounded() {
        let began = monotonicSeconds()
        let courtesy = Courtesy(restFactor: 1) { true }
        for _ in 0..<20 { courtesy.piece { spin(seconds: 0.001) } }
        #expect(monotonicSeconds() - began < 60)
    }

    @Test("What a piece throws comes out")
    func throwing() {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try Courtesy { true }.piece { throw Failure() } }
    }
}
