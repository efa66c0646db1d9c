// Commands on places, which are members of sorted sets whose scores are geohashes. Adding and looking up are here; searching has files
// of its own.

import Glibc
import RespCodec

enum GeoCommands {
    static let all: [Command<KeyspaceContext>] =
        [
            Command(
                "GEOADD", group: .geo, since: "3.2.0", arity: -5, flags: [.write, .denyOOM], effect: .explicit,
                keys: [.first([.rw, .update])],
                syntax:
                    "key condition=[NX | XX]@6.2.0 [change=CH]@6.2.0 longitude latitude member [longitude latitude member ...]",
                summary: "Adds places, or moves them.",
                complexity: "O(log(N)) for each place, N being the number of places in the sorted set", run: add
            )
            .changed("6.2.0", "Takes `CH`, `NX` and `XX`."),
            reader(
                "GEODIST", arity: -4, syntax: "key member1 member2 unit=[M | KM | FT | MI]",
                summary: "Returns how far apart two places are.", complexity: "O(1)", run: distance),
            reader(
                "GEOHASH", arity: -2, syntax: "key [member [member ...]]",
                summary: "Returns the geohashes of places as text.", complexity: "O(1) for each place"
            ) { (context, arguments) throws(CommandError) in
                let reply = context.reply
                try forEachScore(context, arguments) { score in
                    guard let score else { return reply.null() }
                    reply.bulkString(GeoHash(score: score).text)
                }
            },
            reader(
                "GEOPOS", arity: -2, syntax: "key [member [member ...]]",
                summary: "Returns the longitudes and latitudes of places.", complexity: "O(1) for each place"
            ) { (context, arguments) throws(CommandError) in
                let reply = context.reply
                try forEachScore(context, arguments) { score in
                    guard let score else { return reply.nullArray() }
                    reply.position(GeoHash(score: score).position)
                }
            },
        ] + searching

    private static func reader(
        _ name: String, arity: Int, syntax: String, summary: String, complexity: String,
        run: @escaping Command<KeyspaceContext>.Run
    ) -> Command<KeyspaceContext> {
        Command(
            name, group: .geo, since: "3.2.0", arity: arity, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: syntax, summary: summary, complexity: complexity, run: run)
    }

    // MARK: adding

    @Sendable private static func add(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        var condition: SortedSetValue.Condition = []
        var countsChanges = false
        var options = ArgumentReader(arguments, from: 2)
        while true {
            if options.takes("nx") {
                condition.insert(.isNew)
            } else if options.takes("xx") {
                condition.insert(.exists)
            } else if options.takes("ch") {
                countsChanges = true
            } else {
                break
            }
        }
        let places = options
        guard places.left > 0 && places.left % 3 == 0 && condition != [.isNew, .exists] else { throw .syntax }
        // All positions are read before any is added.
        var reader = places
        while !reader.isAtEnd {
            _ = try reader.position()
            reader.skip()
        }
        let key = arguments[1]
        if condition.contains(.exists), try context.sortedSet(at: key, .write) == nil {
            return context.reply.integer(0)
        }
        let set = try context.sortedSetMade(at: key)
        set.prepare(for: places.left / 3)
        var addedCount = 0
        var updatedCount = 0
        reader = places
        while !reader.isAtEnd {
            let score = GeoHash(try reader.position()).score
            switch set.change(reader.next(), score, when: condition) {
            case .added: addedCount += 1
            case .updated: updatedCount += 1
            case .kept, .refused, .notANumber: break
            }
        }
        if addedCount + updatedCount > 0 {
            context.changed(key, .zadd, count: addedCount + updatedCount)
            try tellAdded(context, key, places, when: condition)
        }
        context.reply.integer(countsChanges ? addedCount + updatedCount : addedCount)
    }

    /// Tells what was added as scores, which need no arithmetic.
    private static func tellAdded(
        _ context: KeyspaceContext, _ key: ByteSlice, _ places: ArgumentReader, when condition: SortedSetValue.Condition
    ) throws(CommandError) {
        guard let effect = context.beginEffect("ZADD", key) else { return }
        if condition.contains(.isNew) { effect.add("NX") }
        if condition.contains(.exists) { effect.add("XX") }
        var places = places
        while !places.isAtEnd {
            // They were read before.
            effect.add(Int(GeoHash(try places.position()).score))
            effect.add(places.next())
        }
        effect.end()
    }

    // MARK: looking up

    /// Calls `body` with the score of each member that is asked for, in an array of replies.
    private static func forEachScore(
        _ context: KeyspaceContext, _ arguments: Arguments, _ body: (Double?) -> Void
    ) throws(CommandError) {
        let set = try context.sortedSet(at: arguments[1], .read)
        context.reply.array(arguments.count - 2)
        for index in 2..<arguments.count { body(set?.score(of: arguments[index])) }
    }

    @Sendable private static func distance(
        _ context: inout KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) {
        guard arguments.count <= 5 else { throw .syntax }
        var options = ArgumentReader(arguments, from: 4)
        let unit = options.isAtEnd ? GeoUnit.meters : try options.geoUnit()
        guard let set = try context.sortedSet(at: arguments[1], .read), let first = set.score(of: arguments[2]),
            let second = set.score(of: arguments[3])
        else { return context.reply.null() }
        let meters = GeoHash(score: first).position.distance(to: GeoHash(score: second).position)
        context.reply.distance(meters / unit.meters)
    }
}

// MARK: arguments

extension ArgumentReader {
    /// Reads a longitude and a latitude.
    mutating func position() throws(CommandError) -> GeoPosition {
        let position = GeoPosition(longitude: try double(), latitude: try double())
        guard position.isInRange else {
            throw .bytes(Self.outOfRange(position))
        }
        return position
    }

    private static func outOfRange(_ position: GeoPosition) -> [UInt8] {
        // The longest double has 309 digits in front of its point.
        unsafe [UInt8](unsafeUninitializedCapacity: 1024) { buffer, count in
            let length = unsafe withVaList([position.longitude, position.latitude]) { values in
                unsafe buffer.withMemoryRebound(to: CChar.self) {
                    unsafe vsnprintf($0.baseAddress!, $0.count, "ERR invalid longitude,latitude pair %f,%f", values)
                }
            }
            count = Int(length)
        }
    }

    mutating func geoUnit() throws(CommandError) -> GeoUnit {
        if takes("m") { return .meters }
        if takes("km") { return .kilometers }
        if takes("ft") { return .feet }
        if takes("mi") { return .miles }
        throw .message("ERR unsupported unit provided. please use M, KM, FT, MI")
    }
}

// MARK: replies

extension ReplyWriter {
    /// A distance with four decimals, a bulk string in either protocol.
    func distance(_ value: Double) { FixedPoint.withText(value, decimals: 4) { bulkString($0) } }

    /// A longitude and a latitude.
    func position(_ position: GeoPosition) {
        array(2)
        FixedPoint.withText(position.longitude, decimals: 17, trimmed: true) { double(text: $0) }
        FixedPoint.withText(position.latitude, decimals: 17, trimmed: true) { double(text: $0) }
    }
}
