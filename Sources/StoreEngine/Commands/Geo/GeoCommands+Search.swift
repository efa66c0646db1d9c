// Searching places: the commands that differ in how they name an area and in what becomes of the result, and the search itself, which
// is one for all.
//
// The scores of each cell that covers the area are a range of the sorted set. What lies in these ranges is measured, and what is in the
// area is collected; members are not copied unless they are stored.

import RespCodec

extension GeoCommands {
    private static let area =
        "from=[FROMMEMBER member | FROMLONLAT longitude latitude] "
        + "by=<circle=<<BYRADIUS radius> unit=<M | KM | FT | MI>> | box=<<BYBOX width> height unit=<M | KM | FT | MI>> "
        + "| polygon=<<BYPOLYGON num-vertices> vertices=<longitude latitude> ...>@9.0.0> "
    private static let order = "order=[ASC | DESC]"
    private static let count = "count-block=[<COUNT count> [ANY]]"
    private static let parts = "[WITHCOORD] [WITHDIST] [WITHHASH]"
    private static let complexity =
        "O(N+log(M)) in the places near the area and the places in the sorted set, and O(R*log(R)) in those returned"

    static let searching: [Command<KeyspaceContext>] = [
        Command(
            "GEOSEARCH", group: .geo, since: "6.2.0", arity: -7, flags: [.readOnly], keys: [.first([.ro, .access])],
            syntax: "key " + area + order + " " + count + " " + parts,
            summary: "Returns the places in a circle, a box or a polygon.", complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            let set = try context.sortedSet(at: arguments[1], .read)
            var search = GeoSearch(set, command: arguments[0])
            var reader = ArgumentReader(arguments, from: 2)
            try search.readOptions(&reader, .area)
            try answer(context, search)
        }
        .changed("7.0.0", "Units may be in capitals.")
        .changed("9.0.0", "Takes `BYPOLYGON`."),
        Command(
            "GEOSEARCHSTORE", group: .geo, since: "6.2.0", arity: -8, flags: [.write, .denyOOM], effect: .verbatim,
            keys: [.first([.ow, .update]), KeySpec([.ro, .access], begin: .index(2))],
            syntax: "destination source " + area + order + " " + count + " [STOREDIST]",
            summary: "Stores the places in a circle, a box or a polygon in another sorted set.", complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            let set = try context.sortedSet(at: arguments[2], .read)
            var search = GeoSearch(set, command: arguments[0])
            search.destination = arguments[1]
            var reader = ArgumentReader(arguments, from: 3)
            try search.readOptions(&reader, .areaStored)
            try answer(context, search)
        }
        .changed("7.0.0", "Units may be in capitals.")
        .changed("9.0.0", "Takes `BYPOLYGON`."),
        around("GEORADIUS", since: "3.2.0", isMember: false, isReadOnly: false),
        around("GEORADIUS_RO", since: "3.2.10", isMember: false, isReadOnly: true),
        around("GEORADIUSBYMEMBER", since: "3.2.0", isMember: true, isReadOnly: false),
        around("GEORADIUSBYMEMBER_RO", since: "3.2.10", isMember: true, isReadOnly: true),
    ]

    /// One of the older commands, which name a circle in their first arguments.
    private static func around(
        _ name: String, since: String, isMember: Bool, isReadOnly: Bool
    ) -> Command<KeyspaceContext> {
        let start = isMember ? 5 : 6
        let source = KeySpec.first([.ro, .access])
        let stores = [
            source, KeySpec([.ow, .update], begin: .keyword("STORE", from: start)),
            KeySpec([.ow, .update], begin: .keyword("STOREDIST", from: start)),
        ]
        let origin = isMember ? "member" : "longitude latitude"
        let limit = isMember ? count : "count-block=[<COUNT count> [ANY]@6.2.0]"
        let replacement =
            (isReadOnly ? "`GEOSEARCH`" : "`GEOSEARCH` and `GEOSEARCHSTORE`")
            + (isMember ? " with `BYRADIUS` and `FROMMEMBER`" : " with `BYRADIUS`")
        return Command(
            name, group: .geo, since: since, arity: -start, flags: isReadOnly ? [.readOnly] : [.write, .denyOOM],
            effect: isReadOnly ? .none : .verbatim,
            keys: isReadOnly ? [source] : stores,
            syntax: "key \(origin) radius unit=<M | KM | FT | MI> \(parts) \(limit) \(order)"
                + (isReadOnly ? "" : " store=[STORE storekey=key | STOREDIST storedistkey=key]"),
            summary: isReadOnly
                ? "Returns the places in a circle." : "Returns the places in a circle, or stores them in a sorted set.",
            complexity: complexity
        ) { (context, arguments) throws(CommandError) in
            let set = try context.sortedSet(at: arguments[1], .read)
            var search = GeoSearch(set, command: arguments[0])
            var reader = ArgumentReader(arguments, from: 2)
            if !isMember {
                search.center = try reader.position()
                try search.readCircle(&reader)
            } else if set != nil {
                try search.takeCenter(fromMember: reader.next())
                try search.readCircle(&reader)
            } else {
                // Without a key there is no member to search around: the member, the radius and the unit are not even read.
                reader.skip(3)
            }
            try search.readOptions(&reader, isReadOnly ? .circle : .circleStored)
            try answer(context, search)
        }
        .changed("6.2.0", "Takes `ANY`.")
        .changed("7.0.0", "Units may be in capitals.")
        .deprecated("6.2.0", replacedBy: replacement)
    }

    // MARK: the result

    /// A place that was found.
    private struct Found {
        let member: PackedElement
        let score: Double
        /// Meters from the center.
        let distance: Double
    }

    private static func answer(_ context: KeyspaceContext, _ search: GeoSearch) throws(CommandError) {
        try search.check()
        let shape = search.shape
        var found: [Found] = []
        if let set = search.set, let shape {
            found = find(in: set, shape, atMost: search.takesAny ? search.count : nil)
            put(&found, in: search.order, count: search.count)
            if let count = search.count, count < found.count { found.removeLast(found.count - count) }
        }
        let unit = shape?.unit.meters ?? 1
        if let destination = search.destination {
            // Of several options STORE, the specs find the first, but the last one counts.
            context.expireIfNeeded(destination)
            store(context, found, at: destination, search, unit: unit)
            return context.reply.integer(found.count)
        }
        let reply = context.reply
        reply.array(found.count)
        let extras = [search.wantsDistance, search.wantsHash, search.wantsPosition].count { $0 }
        for place in found {
            if extras > 0 { reply.array(1 + extras) }
            reply.element(place.member)
            if search.wantsDistance { reply.distance(place.distance / unit) }
            if search.wantsHash { reply.integer(place.score.magnitude < 0x1p63 ? Int(place.score) : Int.min) }
            if search.wantsPosition { reply.position(GeoHash(score: place.score).position) }
        }
    }

    /// The places in an area, cell by cell; no more than `limit`, whichever come first.
    private static func find(in set: SortedSetValue, _ shape: GeoShape, atMost limit: Int?) -> [Found] {
        var found: [Found] = []
        shape.forEachCell { cell in
            let scores = cell.scores
            let range = ScoreRange(scores.lowerBound, scores.upperBound, excludesMaximum: true)
            var isOver = false
            set.forEach(in: range, reversed: false) { member, score in
                if let distance = shape.distance(ifContaining: GeoHash(score: score).position) {
                    found.append(Found(member: member, score: score, distance: distance))
                    isOver = found.count == limit
                }
                return !isOver
            }
            return !isOver
        }
        return found
    }

    /// Puts the nearest or the farthest first, as many as are wanted.
    private static func put(_ found: inout [Found], in order: GeoSearch.Order?, count: Int?) {
        guard let order else { return }
        if let count, count < found.count {
            let sign = order == .nearestFirst ? 1 : -1
            return PartialSort.sort(&found, wanted: 0..<count) { left, right in
                left.distance > right.distance ? sign : left.distance == right.distance ? 0 : -sign
            }
        }
        // The bits of numbers that are not negative are in the order of the numbers. Places equally far stay in the order in which
        // they were found.
        let mask: UInt64 = order == .nearestFirst ? 0 : .max
        var items = found.indices.map { SortItem(key: found[$0].distance.bitPattern ^ mask, index: $0) }
        RadixSort.sort(&items, 0..<items.count)
        found = items.map { found[$0.index] }
    }

    /// Makes a sorted set of what was found, in the place of what the key holds; of nothing, none.
    private static func store(
        _ context: KeyspaceContext, _ found: [Found], at key: ByteSlice, _ search: GeoSearch, unit: Double
    ) {
        var builder = SortedSetBuilder(context.database)
        for place in found {
            place.member.withBytes { builder.add($0, search.storesDistance ? place.distance / unit : place.score) }
        }
        let event: KeyEvent = search.isByOptions ? .geoSearchStore : .geoRadiusStore
        context.store(&builder, at: key, event, changes: found.count)
    }
}

extension KeyEvent {
    fileprivate static let geoSearchStore = KeyEvent(.sortedSet, "geosearchstore")
    fileprivate static let geoRadiusStore = KeyEvent(.sortedSet, "georadiusstore")
}
