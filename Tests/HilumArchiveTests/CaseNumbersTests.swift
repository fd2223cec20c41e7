import HilumCore
import HilumIndex
import Testing

@testable import HilumArchive

@Suite struct CaseNumbersTests {
    @Test("Lists and bits hold what a set holds, whatever comes and goes", arguments: [40, 700, 30_000])
    func agreesWithASet(_ largest: Int) {
        var generator = SeededGenerator(seed: 5, keys: UInt64(largest))
        var model = Set((0..<20).map { _ in UInt32(generator.integer(below: largest)) })
        var numbers = CaseNumbers(model.sorted())
        var other = ItemSet()
        for _ in 0..<200 { other.insert(UInt32(generator.integer(below: largest))) }
        for round in 0..<2_000 {
            let number = UInt32(generator.integer(below: largest))
            // More come at first, and more go at last.
            if generator.integer(below: 10) < (round < 1_400 ? 8 : 2) {
                numbers.insert(number)
                model.insert(number)
            } else {
                numbers.remove(number)
                model.remove(number)
            }
            guard round % 50 == 0 else { continue }
            #expect(numbers.count == model.count && numbers.set == ItemSet(model))
            #expect(numbers.count(in: other) == model.count { other.contains($0) })
        }
        for number in model { numbers.remove(number) }
        #expect(numbers.count == 0 && numbers.set.isEmpty)
    }

    @Test("Sets are counted and joined as their items are", arguments: [0, 1, 5, 300])
    func setsAgree(_ count: Int) {
        var generator = SeededGenerator(seed: 9, keys: UInt64(count))
        let lists = (0..<2).map { _ in (0..<count).map { _ in UInt32(generator.integer(below: 1_000)) } }
        let (left, right) = (Set(lists[0]), Set(lists[1]))
        var set = ItemSet()
        set.insert(contentsOf: lists[0])
        let other = ItemSet(lists[1])
        #expect(set.items == left.sorted() && set.count == left.count)
        #expect(set.intersectionCount(other) == left.intersection(right).count)
        #expect(set.intersection(other).items == left.intersection(right).sorted())
        #expect(
            set.union(other).items == left.union(right).sorted() && set.union(other).count == left.union(right).count)
        #expect(set.subtracting(other).items == left.subtracting(right).sorted())
        set.insert(contentsOf: lists[1])
        #expect(set == set.union(other) && set.count == left.union(right).count)
    }
}
