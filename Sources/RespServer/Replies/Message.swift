// Something that clients are told without having asked for it just then.

/// Where in a `ReplyQueue` its bytes lie: it is put into bytes once for each protocol version, however many clients get it.
struct Message {
    /// Which filling of the queue's buffers the places are of.
    var round = -1
    var resp2: Range<Int>?
    var resp3: Range<Int>?
}
