extension GraphWriter {
    /// What is wrong with the graph, one sentence each; see `HNSWIndex.validate`.
    func validate() -> [String] {
        var violations: [String] = []
        func check(_ isSound: Bool, _ text: @autoclosure () -> String) {
            if !isSound && violations.count < 100 { violations.append(text()) }
        }
        let linked = isLinked.indices.filter { isLinked[$0] }.map { UInt32($0) }
        check(linked.count == nodeCount, "\(linked.count) nodes are linked, the count says \(nodeCount)")
        check(graph.slots.load(ordering: .relaxed) == isLinked.count, "the table of slots has another length")
        for node in linked { checkNode(node, check) }
        checkEntry(linked, check)
        checkReach(linked, check)
        checkItems(linked, check)
        checkInLinks(linked, check)
        return violations
    }

    private typealias Check = (Bool, @autoclosure () -> String) -> Void

    private func checkNode(_ node: UInt32, _ check: Check) {
        check(store.level(node) == graph.level(ofSlot: node), "node \(node) has a level that is not its slot's")
        for layer in 0...store.level(node) {
            let links = store.links(node, layer: layer).array
            check(Set(links).count == links.count, "node \(node) links to a node twice on layer \(layer)")
            check(!links.contains(node), "node \(node) links to itself on layer \(layer)")
            for target in links {
                guard Int(target) < isLinked.count, isLinked[Int(target)] else {
                    check(false, "node \(node) links to \(target) on layer \(layer), which is not in the graph")
                    continue
                }
                check(
                    store.level(target) >= layer, "node \(node) links to \(target) above its level, on layer \(layer)")
            }
        }
        check(store.isLive(node), "node \(node) has no item")
        if precision == .i8 {
            // The vector that was hashed is not kept; its hash must lead to the node.
            let found = table.find(hash: store.hash(node)) { $0 == node }
            check(found == node, "the hash of node \(node) does not lead to it")
            return
        }
        let hash = NodeTable.hash(store.vector(node), dimension: dimension)
        check(hash == store.hash(node), "node \(node) has the hash of another vector")
        check(find(store.vector(node), hash: hash) == node, "the vector of node \(node) leads to another node")
    }

    private func checkEntry(_ linked: [UInt32], _ check: Check) {
        guard let entry else {
            check(linked.isEmpty, "there are nodes but no entry point")
            return
        }
        guard Int(entry.node) < isLinked.count, isLinked[Int(entry.node)] else {
            check(false, "the entry point is not in the graph")
            return
        }
        check(entry.level == store.level(entry.node), "the entry point's level is not its node's")
        let highest = linked.map { store.level($0) }.max() ?? 0
        check(entry.level == highest, "the entry point has level \(entry.level), the highest is \(highest)")
    }

    private func checkReach(_ linked: [UInt32], _ check: Check) {
        guard let entry else { return }
        var isReached = [Bool](repeating: false, count: isLinked.count)
        var queue = [entry.node]
        isReached[Int(entry.node)] = true
        while let node = queue.popLast() {
            for target in store.links(node, layer: 0).array
            where Int(target) < isReached.count && !isReached[Int(target)] {
                isReached[Int(target)] = true
                queue.append(target)
            }
        }
        let lost = linked.filter { !isReached[Int($0)] }
        check(lost.isEmpty, "\(lost.count) nodes cannot be reached, among them \(lost.prefix(3))")

        var children = [Int](repeating: 0, count: isLinked.count)
        for node in linked where node != root {
            let parent = store.parent(node)
            guard Int(parent) < isLinked.count, isLinked[Int(parent)] else {
                check(false, "node \(node) has no parent")
                continue
            }
            children[Int(parent)] += 1
            check(store.links(parent, layer: 0).contains(node), "the parent \(parent) does not link to \(node)")
        }
        for node in linked {
            check(children[Int(node)] == store.children(node), "node \(node) counts its children wrong")
        }
        check(store.parent(root) == absent, "the root has a parent")
        check(
            entry.node == root || store.links(entry.node, layer: 0).contains(root),
            "the entry point does not link to the root")
    }

    private func checkItems(_ linked: [UInt32], _ check: Check) {
        var seen = 0
        for node in linked {
            var places = Set<UInt32>()
            _ = PostingList.forEach(store.posting(node).pointee.load(ordering: .acquiring)) { item in
                check(items.locate(item)?.node == node, "item \(item) of node \(node) belongs to another node")
                check(places.insert(item).inserted, "node \(node) bears item \(item) twice")
                seen += 1
                return true
            }
        }
        check(seen == graph.itemCount, "nodes bear \(seen) items, the count says \(graph.itemCount)")
        var listed = 0
        items.forEach { item, node, _ in
            listed += 1
            let isKnown = Int(node) < isLinked.count && isLinked[Int(node)]
            check(isKnown, "item \(item) belongs to node \(node), which is not in the graph")
        }
        check(listed == graph.itemCount, "the table holds \(listed) items, the count says \(graph.itemCount)")
        for slot in isLinked.indices where !isLinked[slot] {
            check(!store.isLive(UInt32(slot)), "slot \(slot) is not in the graph but bears an item")
        }
        let free = Set(freeSlots[freeHead...].map(\.slot))
        check(free.count == freeSlots.count - freeHead, "a slot is free twice")
        check(free.count == isLinked.count - linked.count, "slots are lost: neither linked nor free")
        check(free.allSatisfy { !isLinked[Int($0)] }, "a free slot is in the graph")
    }

    private func checkInLinks(_ linked: [UInt32], _ check: Check) {
        guard let inLinks else { return }
        var expected = [Set<UInt32>](repeating: [], count: isLinked.count)
        for node in linked {
            for target in store.links(node, layer: 0).array where Int(target) < expected.count {
                expected[Int(target)].insert(node)
            }
        }
        for slot in isLinked.indices {
            let known = inLinks.of(UInt32(slot))
            check(
                known.count == expected[slot].count && Set(known) == expected[slot],
                "the in-links of node \(slot) are not the links to it")
        }
    }
}
