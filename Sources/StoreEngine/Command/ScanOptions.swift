// SCAN and its relatives: the cursor, the options, and one body for all of them, which are told apart by what they walk through.

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
        var options = ArgumentReader(arguments, from: start)
        while !options.isAtEnd {
            if let bareWord, options.takes(bareWord) {
                omitsValues = true
            } else if options.takes("novalues") {
                throw .message("ERR NOVALUES option can only be used in HSCAN")
            } else if options.takes("count", with: 1) {
                count = try options.integer()
                guard count >= 1 else { throw .syntax }
            } else if options.takes("match", with: 1) {
                // A lone star lets everything through.
                let given = options.next()
                pattern = given == "*" ? nil : given
            } else if takesType && options.takes("type", with: 1) {
                type = options.next()
            } else {
                throw .syntax
            }
        }
    }

    func accepts(_ text: ByteSlice) -> Bool {
        guard let pattern else { return true }
        return GlobPattern.matches(pattern, text)
    }
}

/// What one call of a scan has looked at and found, while it is written as its reply.
struct ScanPage {
    let options: ScanOptions
    let reply: ReplyWriter
    /// How many elements were looked at.
    private var seen = 0
    /// How many elements the reply has, values among them.
    private var found = 0

    fileprivate init(_ options: ScanOptions, _ reply: ReplyWriter) {
        self.options = options
        self.reply = reply
    }

    /// Counts an element that was looked at and is not in the reply.
    @inline(__always)
    mutating func passOver() { seen &+= 1 }

    /// Looks at an element, and replies it if the options ask for it.
    /// - Returns: whether they do.
    @inline(__always)
    @discardableResult
    mutating func look(at element: PackedElement) -> Bool {
        seen &+= 1
        guard element.withBytes({ options.accepts($0) }) else { return false }
        reply.element(element)
        found &+= 1
        return true
    }

    /// Whether what belongs to the element that was replied is to be replied now.
    @inline(__always)
    mutating func takesValue() -> Bool {
        guard !options.omitsValues else { return false }
        found &+= 1
        return true
    }

    /// Replies what is found from a cursor on, until the scan is over or enough has been looked at, behind the cursor at which to go on.
    /// - Parameter step: looks at what is at a cursor, and returns the next one.
    @inline(__always)
    fileprivate mutating func fill(from start: UInt64, _ step: (UInt64, inout ScanPage) -> UInt64) {
        var cursor = start
        // Buckets may be empty: their number is bounded too.
        let (product, overflow) = options.count.multipliedReportingOverflow(by: 10)
        var steps = overflow ? Int.max : product
        // The cursor stands before what is found, but is known only after it.
        let list = reply.beginDeferred()
        repeat {
            cursor = step(cursor, &self)
            steps -= 1
        } while cursor != 0 && steps > 0 && seen < options.count
        reply.endScan(list, cursor: cursor, count: found)
    }
}

extension KeyspaceContext {
    /// The body of SCAN.
    @inline(__always)
    func replyScan(_ arguments: Arguments, _ step: (UInt64, inout ScanPage) -> UInt64) throws(CommandError) {
        let start = try arguments.cursor(1)
        var page = ScanPage(try ScanOptions(arguments, from: 2, takesType: true), reply)
        page.fill(from: start, step)
    }

    /// The body of the commands that scan one value.
    /// - Parameters:
    ///   - value: the value, looked for when the cursor has been read; nil if there is none, which nobody reads options for.
    ///   - withoutValues: the word that asks for the elements alone, where there is one.
    @inline(__always)
    func replyScan<Value>(
        _ arguments: Arguments, of value: @autoclosure () throws(CommandError) -> Value?,
        withoutValues: StaticString? = nil, _ step: (Value, UInt64, inout ScanPage) -> UInt64
    ) throws(CommandError) {
        let start = try arguments.cursor(2)
        guard let value = try value() else { return reply.endScan(reply.beginDeferred(), cursor: 0, count: 0) }
        var page = ScanPage(try ScanOptions(arguments, from: 3, takesType: false, bareWord: withoutValues), reply)
        page.fill(from: start) { cursor, page in step(value, cursor, &page) }
    }
}
