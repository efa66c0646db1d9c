// One reply as a client holds it: every type of RESP2 and RESP3, owned and comparable.
//
// Types that look alike on the wire stay apart (a simple string is not a bulk string, an error is not a bulk error),
// because code that prints or forwards a reply must tell them apart. RESP2's null bulk ("$-1"), its null array ("*-1")
// and RESP3's null ("_") are one: `.null`. Doubles and big numbers keep their text, which a conversion to a number and
// back would not preserve.

public enum Reply: Equatable, Sendable {
    /// "+OK". The text has no CR or LF.
    case simpleString([UInt8])
    /// "-ERR ...". The text begins with the error's word and has no CR or LF.
    case error([UInt8])
    /// "!21\r\n...": an error of any bytes.
    case bulkError([UInt8])
    /// ":1000"
    case integer(Int)
    /// "$5\r\nhello": any bytes.
    case bulkString([UInt8])
    /// "=7\r\ntxt:any": any bytes, with a format of three bytes ("txt" or "mkd").
    case verbatimString(format: [UInt8], text: [UInt8])
    /// "_", "$-1" or "*-1"
    case null
    /// "#t" or "#f"
    case boolean(Bool)
    /// ",3.14", ",inf", ",-inf", ",nan": the text as the server wrote it.
    case double([UInt8])
    /// "(3492890328409238509324850943850943825024385": an optional minus sign and digits.
    case bigNumber([UInt8])
    /// "*2": any replies, in order.
    case array([Reply])
    /// "%2": keys with values, in the server's order. The protocol does not forbid duplicate keys.
    case map([MapEntry])
    /// "~2": replies whose order has no meaning, kept in the server's order.
    case set([Reply])
    /// ">3": data that was not requested, such as a pub/sub message; its first element names its kind.
    case push([Reply])
    /// "|1 ... :1000": a reply with attributes, which describe it and may be ignored.
    indirect case attributed(Reply, attributes: [MapEntry])

    /// A key of a map with its value.
    public struct MapEntry: Equatable, Sendable {
        public var key: Reply
        public var value: Reply

        public init(key: Reply, value: Reply) {
            self.key = key
            self.value = value
        }
    }
}

extension Reply {
    /// The reply without its attributes, if it has any.
    public var withoutAttributes: Reply {
        var reply = self
        while case .attributed(let inner, _) = reply { reply = inner }
        return reply
    }

    /// The text of an error or a bulk error; nil for anything else.
    public var errorText: [UInt8]? {
        switch withoutAttributes {
        case .error(let text), .bulkError(let text): text
        default: nil
        }
    }

    /// The bytes of a string of any kind (simple, bulk or verbatim); nil for anything else.
    public var stringBytes: [UInt8]? {
        switch withoutAttributes {
        case .simpleString(let bytes), .bulkString(let bytes), .verbatimString(_, let bytes): bytes
        default: nil
        }
    }

    /// Whether the server sent this without a request.
    public var isPush: Bool {
        if case .push = withoutAttributes { return true }
        return false
    }
}
