// What is sent: the known tests, and a request in which numbers are drawn anew each time.

struct BenchTest: Equatable {
    /// As it is shown.
    var title: String
    /// The command; none for an inline PING.
    var words: [Bytes]

    /// What is sent. Made anew by each call, as it may be large.
    var request: BenchRequest { words.isEmpty ? BenchRequest(raw: Bytes("PING\r\n".utf8)) : BenchRequest(words) }

    /// How many bytes that is.
    var requestLength: Int { words.isEmpty ? 6 : RequestEncoder.length(of: words) }

    private struct Known: Sendable {
        var names: [String]
        var title: String
        var words: @Sendable (_ data: Bytes, _ isRandom: Bool) -> [Bytes]
    }

    private static func words(_ text: String, _ data: Bytes = []) -> [Bytes] {
        text.split(separator: " ").map { $0 == "DATA" ? data : Bytes($0.utf8) }
    }

    private static let known: [Known] = {
        func test(_ names: [String], _ title: String? = nil, _ text: String) -> Known {
            Known(names: names, title: title ?? names[0].uppercased()) { data, _ in words(text, data) }
        }
        let ranges = [100, 300, 500, 600].map { count in
            test(
                ["lrange_\(count)", "lrange"], "LRANGE_\(count) (first \(count) elements)",
                "LRANGE mylist 0 \(count - 1)")
        }
        return [
            Known(names: ["ping_inline", "ping"], title: "PING_INLINE") { _, _ in [] },
            test(["ping_mbulk", "ping"], "PING_MBULK", "PING"), test(["set"], nil, "SET key:__rand_int__ DATA"),
            test(["get"], nil, "GET key:__rand_int__"), test(["incr"], nil, "INCR counter:__rand_int__"),
            test(["lpush"], nil, "LPUSH mylist DATA"), test(["rpush"], nil, "RPUSH mylist DATA"),
            test(["lpop"], nil, "LPOP mylist"), test(["rpop"], nil, "RPOP mylist"),
            test(["sadd"], nil, "SADD myset element:__rand_int__"),
            test(["hset"], nil, "HSET myhash element:__rand_int__ DATA"), test(["spop"], nil, "SPOP myset"),
            Known(names: ["zadd"], title: "ZADD") { _, isRandom in
                words("ZADD myzset \(isRandom ? "__rand_int__" : "0") element:__rand_int__")
            },
            test(["zpopmin"], nil, "ZPOPMIN myzset"),
            test(
                ["lrange_100", "lrange_300", "lrange_500", "lrange_600", "lrange"],
                "LPUSH (needed to benchmark LRANGE)", "LPUSH mylist DATA"),
        ] + ranges + [
            Known(names: ["mset"], title: "MSET (10 keys)") { data, _ in
                [Bytes("MSET".utf8)] + (0..<10).flatMap { _ in [Bytes("key:__rand_int__".utf8), data] }
            },
            test(["xadd"], nil, "XADD mystream * myfield DATA"),
        ]
    }()

    /// A value of `count` printable characters, which `seed` decides.
    static func data(_ count: Int, seed: UInt64) -> Bytes {
        var random = FastRandom(seed: seed)
        return (0..<count).map { _ in 0x21 + UInt8(random.below(0x7F - 0x21)) }
    }

    /// All names that may be asked for.
    static var names: [String] {
        var names: [String] = []
        for test in known { for name in test.names where !names.contains(name) { names.append(name) } }
        return names
    }

    /// The tests of these names, or all, in their order.
    static func selected(_ names: Set<String>?, data: Bytes, isRandom: Bool) -> [BenchTest] {
        known.filter { test in names.map { !$0.isDisjoint(with: test.names) } ?? true }.map { test in
            BenchTest(title: test.title, words: test.words(data, isRandom))
        }
    }
}

struct BenchRequest: Equatable {
    let bytes: Bytes
    /// Where numbers are to be put.
    let places: [Int]
    static let placeholder = Bytes("__rand_int__".utf8)

    init(_ words: [Bytes]) {
        var request: Bytes = []
        RequestEncoder.append(words, to: &request)
        self.init(raw: request)
    }

    init(raw request: Bytes) {
        bytes = request
        let length = Self.placeholder.count
        places =
            request.count < length
            ? []
            : (0...(request.count - length)).filter {
                request[$0] == Self.placeholder[0]
                    && request[$0..<($0 + length)].elementsEqual(Self.placeholder)
            }
    }
}
