// What HRANDFIELD and ZRANDMEMBER are asked for, and the reply of elements with what belongs to them.

import RespCodec

/// A number of elements to draw, with repetitions if it is negative, and whether with their values: "count [WITHVALUES]".
struct DrawRequest {
    let count: Int
    let withValues: Bool

    /// Reads from argument 2 on.
    /// - Parameter word: the one that asks for what belongs to the elements.
    init(_ arguments: Arguments, withValues word: StaticString) throws(CommandError) {
        count = try arguments.signedCount(2)
        var options = ArgumentReader(arguments, from: 3)
        withValues = options.takes(word)
        try options.end()
        guard !withValues || count.magnitude <= UInt(Int.max / 2) else { throw .outOfRange }
    }
}

/// A reply of elements, with their values or scores or without: pairs in RESP3.
struct PairList {
    private let reply: ReplyWriter
    private let withValues: Bool

    init(_ reply: ReplyWriter, withValues: Bool) {
        self.reply = reply
        self.withValues = withValues
    }

    func begin(_ count: Int) { reply.array(withValues && reply.version == .resp2 ? count * 2 : count) }

    @inline(__always)
    private func beginPair() {
        if withValues && reply.version == .resp3 { reply.array(2) }
    }

    @inline(__always)
    func add(_ member: PackedElement, _ score: Double) {
        beginPair()
        reply.element(member)
        if withValues { reply.double(score) }
    }

    @inline(__always)
    func add(_ field: PackedElement, _ value: PackedElement) {
        beginPair()
        reply.element(field)
        if withValues { reply.element(value) }
    }
}
