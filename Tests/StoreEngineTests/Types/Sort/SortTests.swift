// The orders of SORT, with random values, against sorting by comparison: numbers, texts with bytes of all kinds, many equal ones.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct SortTests {
    /// Calls `body` with elements: integers as such where the text is one.
    private func withElements<Result>(_ texts: [[UInt8]], _ body: ([PackedElement]) -> Result) -> Result {
        var elements: [PackedElement] = []
        let memory = texts.map { text in
            let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(text.count, 1))
            _ = copy.update(fromContentsOf: text)
            let bytes = ByteSlice(UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: copy[0..<text.count])))
            elements.append(Decimal.parse(bytes).map { .integer($0) } ?? .bytes(bytes))
            return copy
        }
        defer { for copy in memory { copy.deallocate() } }
        return body(elements)
    }

    private func isLess(_ left: [UInt8], _ right: [UInt8]) -> Bool { left.lexicographicallyPrecedes(right) }

    @Test(arguments: 1...20) func numbersThenTexts(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let count = [0, 1, 2, 10, 300, 3000][random.below(6)]
        let spread = [1, 5, 1000, 1_000_000][random.below(4)]
        let texts = (0..<count).map { _ -> [UInt8] in
            let whole = random.below(2 * spread) - spread
            return Array(
                ["\(whole)", "\(whole).5", "-\(whole.magnitude)", " \(whole)", "1e\(whole % 300)"][random.below(5)].utf8
            )
        }
        withElements(texts) { elements in
            let numbers = elements.map { SortNumber.parse($0)! }
            for descending in [false, true] {
                let order = SortOrder.byNumbers(numbers, of: elements, descending: descending)
                let expected = texts.indices.sorted { left, right in
                    if numbers[left] != numbers[right] { return numbers[left] < numbers[right] }
                    return isLess(texts[left], texts[right])
                }
                let sorted = order.map { texts[$0] }
                #expect(sorted == (descending ? expected.reversed() : expected).map { texts[$0] })
            }
        }
    }

    @Test(arguments: 1...40) func textsStayInOrderWhereTheyAreEqual(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        let count = [0, 1, 2, 17, 300, 3000][random.below(6)]
        let prefix = [UInt8](repeating: 120, count: [0, 3, 8, 30, 200][random.below(5)])
        let texts = (0..<count).map { _ -> [UInt8]? in
            if random.below(20) == 0 { return nil }
            if random.below(5) == 0 { return Array("\(random.below(100))".utf8) }
            return prefix + (0..<random.below(12)).map { _ in [0, 1, 97, 98, 255][random.below(5)] }
        }
        let endingAtZero = random.below(2) == 0
        let keys = texts.map { text in text.map { endingAtZero ? Array($0.prefix { $0 != 0 }) : $0 } }
        func compare(_ left: Int, _ right: Int) -> Int {
            switch (keys[left], keys[right]) {
            case (nil, nil): 0
            case (nil, _): -1
            case (_, nil): 1
            case (let left?, let right?): left == right ? 0 : isLess(left, right) ? -1 : 1
            }
        }
        withElements(texts.map { $0 ?? [] }) { elements in
            let given = zip(elements, texts).map { $1 == nil ? nil : $0 }
            for sign in [1, -1] {
                let expected = texts.indices.sorted { left, right in
                    let order = sign * compare(left, right)
                    return order == 0 ? left < right : order < 0
                }
                let order = SortOrder.byTexts(given, endingAtZero: endingAtZero, descending: sign < 0)
                #expect(order == expected)
                let start = random.below(count + 1)
                let wanted = start..<start + random.below(count - start + 1)
                let partial = SortOrder.byTexts(
                    given, endingAtZero: endingAtZero, descending: sign < 0, wanted: wanted)
                #expect(partial.sorted() == Array(0..<count))
                for place in wanted { #expect(compare(partial[place], expected[place]) == 0) }
            }
        }
    }

    @Test func partialSortWithstandsBadInput() {
        // All the same, rising, falling, and the organ pipes that quicksorts fear.
        for count in [0, 1, 6, 7, 8, 41, 1000, 20_000] {
            let inputs: [[Int]] = [
                Array(repeating: 1, count: count), Array(0..<count), Array((0..<count).reversed()),
                (0..<count).map { min($0, count - $0) }, (0..<count).map { $0 % 2 },
            ]
            for input in inputs {
                var elements = input
                var comparisons = 0
                let wanted = count / 3..<count / 2
                PartialSort.sort(&elements, wanted: wanted) {
                    comparisons += 1
                    return $0 - $1
                }
                let sorted = input.sorted()
                #expect(elements[wanted] == sorted[wanted])
                #expect(elements.sorted() == sorted)
                #expect(comparisons < 100 + 60 * count)
            }
        }
    }

    @Test func numbersAreWhatCReads() {
        func number(_ text: String) -> Double? { withElements([Array(text.utf8)]) { SortNumber.parse($0[0]) } }
        let good: [(String, Double)] = [
            ("", 0), ("1", 1), ("-7", -7), ("1.50", 1.5), (" 2", 2), ("+3", 3), ("0x10", 16), ("1e3", 1000),
            ("inf", .infinity),
            ("-0.0", 0), ("5.", 5), (".5", 0.5), ("9007199254740993", 9_007_199_254_740_992), ("12\0junk", 12),
            ("0.1", 0.1), ("123456.789012345", 123456.789012345),
        ]
        for (text, value) in good { #expect(number(text) == value, "\(text)") }
        for text in ["a", "1a", "1 ", "nan", "1e999", "--1", "-", "1.2.3", "1e-999"] {
            #expect(number(text) == nil, "\(text)")
        }
    }
}
