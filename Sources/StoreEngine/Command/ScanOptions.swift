// The cursor and the options of SCAN and its relatives.

import RespCodec

struct ScanOptions {
    private(set) var pattern: ByteSlice?
    /// About how many elements one call looks at.
    private(set) var count = 10
    /// The name of a type, in any letter case: only SCAN knows it.
    private(set) var type: ByteSlice?
    /// Whether the word was given that leaves out what belongs to the elements.
    private(set) var omitsValues = false

    /// Reads the options from argument `start` on.
    /// - Parameter bareWord: the word, in lower case, that asks for the elements alone, where there is one.
    init(
        _ arguments: Arguments, from start: Int, takesType: Bool, bareWord: StaticString? = nil
    ) throws(CommandError) {
        var index = start
        while index < arguments.count {
            if let bareWord, arguments.word(index, is: bareWord) {
                omitsValues = true
                index += 1
                continue
            }
            if arguments.word(index, is: "novalues") {
                throw .message("ERR NOVALUES option can only be used in HSCAN")
            }
            guard index + 1 < arguments.count else { throw .syntax }
            let value = arguments[index + 1]
            if arguments.word(index, is: "count") {
                guard let count = Decimal.parse(value) else { throw .notInteger }
                guard count >= 1 else { throw .syntax }
                self.count = count
            } else if arguments.word(index, is: "match") {
                // A lone star lets everything through.
                pattern = value == "*" ? nil : value
            } else if takesType && arguments.word(index, is: "type") {
                type = value
            } else {
                throw .syntax
            }
            index += 2
        }
    }

    func accepts(_ text: ByteSlice) -> Bool {
        guard let pattern else { return true }
        return GlobPattern.matches(pattern, text)
    }

    /// Calls `step` with the cursor, then with what it returned, until the scan is over or enough has been looked at, and returns
    /// where to go on. `seen` tells how many elements there have been.
    func run(from cursor: UInt64, seen: () -> Int, step: (UInt64) -> UInt64) -> UInt64 {
        var cursor = cursor
        // Buckets may be empty: their number is bounded too.
        let (product, overflow) = count.multipliedReportingOverflow(by: 10)
        var steps = overflow ? Int.max : product
        repeat {
            cursor = step(cursor)
            steps -= 1
        } while cursor != 0 && steps > 0 && seen() < count
        return cursor
    }
}
