import HilumIndex

// Vectors of length 1, each under a number of your own.
let colours: [(name: String, vector: [Float])] = [
    ("red", [1, 0, 0]), ("orange", [0.8, 0.6, 0]), ("green", [0, 1, 0]), ("blue", [0, 0, 1]),
]
let index = try HNSWIndex(dimension: 3, metric: .cosine)
for (item, colour) in colours.enumerated() {
    try colour.vector.withUnsafeBufferPointer { try index.insert($0, item: UInt32(item)) }
}

// The query may have any length but 0. A larger ef finds more and takes longer.
let query: [Float] = [4, 1, 0]
let nearest = try query.withUnsafeBufferPointer { try index.search($0, k: 2, ef: 64) }
for hit in nearest.hits {
    print(colours[Int(hit.item)].name, "cosine", 1 - hit.distance)
}
