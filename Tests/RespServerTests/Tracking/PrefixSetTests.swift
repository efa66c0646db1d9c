import Testing

@testable import RespServer

@Suite struct PrefixSetTests {
    private func overlap(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        one.starts(with: other) || other.starts(with: one)
    }

    /// Random prefixes of few letters: what is found is what a look at all pairs finds.
    @Test func overlapsAreThoseOfAllPairs() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            let prefixes = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                (0..<Int.random(in: 0...4, using: &random)).map { _ in UInt8.random(in: 97...98, using: &random) }
            }
            var wanted: (place: Int, other: Int)?
            for place in prefixes.indices where wanted == nil {
                if let other = prefixes[(place + 1)...].firstIndex(where: { overlap($0, prefixes[place]) }) {
                    wanted = (place, other)
                }
            }
            let found = PrefixSet.firstOverlap(in: prefixes)
            #expect(found?.place == wanted?.place && found?.other == wanted?.other, "\(prefixes)")

            var set = PrefixSet()
            for prefix in prefixes {
                let first = set.first { overlap($0, prefix) }
                #expect(set.firstOverlap(with: prefix) == first, "\(Array(set)) \(prefix)")
                if first == nil { set.insert(prefix) }
                #expect(zip(set, set.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
            }
        }
    }
}
