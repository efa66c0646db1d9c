// Values of all types, and random commands that change them: for tests of what goes through the data while it changes.

@testable import StoreEngine

/// Keys are named after their kind and size, such as "hash:0", "medium hash:0" and "large hash:0", in all databases. Any of them may be absent.
struct RandomWrites {
    static let kinds = ["text", "hash", "set", "sorted", "list", "stream"]
    static let databases = 4

    /// How many elements the largest values have.
    let elements: Int
    /// How many bytes a text has for each element.
    let textUnit: Int
    /// How many different scores a sorted set has.
    var scores = Int.max
    /// How many entries of a stream are delivered to a consumer at most.
    var mostDelivered = Int.max
    /// What is soon to expire does so after this time.
    let millisecondsToLive: Int
    /// One in this many commands drops a database, and one swaps two.
    let rarity: Int
    /// Whether there are reads among the commands, too.
    var reads = false
    /// Whether some choose elements at random.
    var draws = false

    /// The commands that make a value of `size` elements.
    func making(_ kind: String, _ key: String, size: Int) -> [[String]] {
        let numbers = 0..<size
        switch kind {
        case "text": return [["SET", key, String(repeating: "x", count: size * textUnit)]]
        case "hash":
            return [
                ["HSET", key] + numbers.flatMap { ["f\($0)", "value \($0)"] },
                ["HPEXPIRE", key, "1000000", "FIELDS", "2", "f0", "f\(size / 2)"],
            ]
        case "set": return [["SADD", key] + numbers.map { "m\($0)" }]
        case "sorted": return [["ZADD", key] + numbers.flatMap { ["\($0 % scores)", "m\($0)"] }]
        case "list": return [["RPUSH", key] + numbers.map { "element \($0)" }]
        default:
            func delivery(to consumer: String, _ count: Int) -> [String] {
                let count = "\(min(count, mostDelivered))"
                return ["XREADGROUP", "GROUP", "group", consumer, "COUNT", count, "STREAMS", key, ">"]
            }
            return numbers.map { ["XADD", key, "\($0 + 1)-1", "f", "v\($0)"] } + [
                ["XGROUP", "CREATE", key, "group", "0"], delivery(to: "one", size / 2), delivery(to: "two", size / 4),
            ]
        }
    }

    private func key(_ kind: String, _ random: inout RandomSource) -> String {
        switch random.below(4) {
        case 0: "medium \(kind):\(random.below(3))"
        case 1: "large \(kind):0"
        default: "\(kind):\(random.below(70))"
        }
    }

    /// A command that changes something, or may.
    func change(_ random: inout RandomSource) -> [String] {
        let kind = Self.kinds[random.below(Self.kinds.count)]
        let (name, other) = (key(kind, &random), key(kind, &random))
        let number = random.below(elements)
        switch random.below(rarity) {
        case 0: return [random.below(8) == 0 ? "FLUSHALL" : "FLUSHDB"]
        case 1: return ["SWAPDB", "\(random.below(Self.databases))", "\(random.below(Self.databases))"]
        default: break
        }
        let choices =
            random.below(5) == 0
            ? generic(name, other, number, &random)
            : (reads ? reading(kind, name, other, number) : []) + writing(kind, name, other, number)
        return choices[random.below(choices.count)]
    }

    private func generic(_ name: String, _ other: String, _ number: Int, _ random: inout RandomSource) -> [[String]] {
        [
            ["DEL", name], ["RENAME", name, other], ["RENAME", name, "renamed:\(number % 10)"],
            ["MOVE", name, "\(random.below(Self.databases))"], ["COPY", name, "copy:\(number % 10)", "REPLACE"],
            ["PEXPIRE", name, "\(millisecondsToLive + 1)"], ["SET", name, "overwritten"],
            ["SET", "new:\(number)", "v"],
            ["PERSIST", name], ["SORT", name, "ALPHA", "STORE", "sorted list"],
        ]
    }

    private func writing(_ kind: String, _ name: String, _ other: String, _ number: Int) -> [[String]] {
        let field = "f\(number)"
        let member = "m\(number)"
        let time = "\(millisecondsToLive)"
        let pending = "\(number % min(mostDelivered, elements * 3 / 5))-1"
        switch kind {
        case "text":
            return [
                ["SET", name, "new"], ["APPEND", name, "more"], ["SETRANGE", name, "5", "abc"], ["GETDEL", name],
                ["SETBIT", name, "77", "1"], ["SET", name, "12", "PX", time],
                ["SETRANGE", "long text", "9", "changed"],
            ]
        case "hash":
            return [
                ["HSET", name, field, "changed"], ["HDEL", name, field, "f1"], ["HSET", name, "new\(number)", "1"],
                ["HPEXPIRE", name, time, "FIELDS", "1", field], ["HPERSIST", name, "FIELDS", "1", "f0"],
            ]
        case "set":
            return [
                ["SADD", name, "new\(number)"], ["SREM", name, member, "m1"], ["SINTERSTORE", name, name, other],
                ["SMOVE", name, other, member],
            ] + (draws ? [["SPOP", name, "30"]] : [])
        case "sorted":
            return [
                ["ZADD", name, "7", member], ["ZREM", name, member], ["ZPOPMIN", name, "20"],
                ["ZREMRANGEBYRANK", name, "0", "30"], ["ZINCRBY", name, "3", member],
            ]
        case "list":
            return [
                ["LPUSH", name, "new"], ["RPUSH", name, "new"], ["LPOP", name], ["RPOP", name, "70"],
                ["LSET", name, "\(number)", "changed"], ["LSET", name, "0", "c"], ["LTRIM", name, "40", "-40"],
                ["LREM", name, "1", "element \(number)"], ["LINSERT", name, "BEFORE", "element \(number)", "new"],
                ["LTRIM", name, "0", "2"],
            ]
        default:
            return [
                ["XADD", name, "*", "f", "new"], ["XDEL", name, "\(number + 1)-1", "3-1"],
                ["XTRIM", name, "MAXLEN", "~", "\(number)"], ["XTRIM", name, "MINID", "\(number)"],
                ["XREADGROUP", "GROUP", "group", "two", "COUNT", "9", "STREAMS", name, ">"],
                ["XACK", name, "group", pending, "\(number)-1"], ["XCLAIM", name, "group", "three", "0", pending],
                ["XAUTOCLAIM", name, "group", "three", "0", "0", "COUNT", "5"],
                ["XGROUP", "CREATECONSUMER", name, "group", "new\(number)"],
                ["XGROUP", "DELCONSUMER", name, "group", "two"], ["XGROUP", "DESTROY", name, "group"],
            ]
        }
    }

    private func reading(_ kind: String, _ name: String, _ other: String, _ number: Int) -> [[String]] {
        switch kind {
        case "text": [["GET", name]]
        case "hash": [["HGETALL", name], ["HGET", name, "f\(number)"]]
        case "set": [["SCARD", name], ["SUNION", name, other]]
        case "sorted":
            [
                ["ZRANK", name, "m\(number)"], ["ZRANGE", name, "0", "-1", "WITHSCORES"],
                ["ZRANGEBYSCORE", name, "7", "9"],
            ]
        case "list": [["LRANGE", name, "0", "-1"]]
        default: [["XRANGE", name, "-", "+"], ["XPENDING", name, "group", "-", "+", "20"]]
        }
    }
}
