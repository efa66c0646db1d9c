// What a search of places is asked for: the options of GEOSEARCH and of its older relatives.

import RespCodec

struct GeoSearch {
    enum Order {
        case nearestFirst
        case farthestFirst
    }

    /// Which options a command has.
    enum Options {
        case area, areaStored, circle, circleStored
    }

    private enum Figure {
        case circle(radius: Double, GeoUnit)
        case box(width: Double, height: Double, GeoUnit)
        case polygon([GeoPosition])
    }

    /// The places; nil if there are none.
    let set: SortedSetValue?
    /// The command's name as it was given, for errors.
    private let command: ByteSlice
    /// Around what is searched, unless it follows from a polygon.
    var center: GeoPosition?
    private var figure: Figure?
    /// A center was named, even if there is no place to take it from.
    private var hasMember = false
    private var hasPosition = false
    private var givenOrder: Order?
    /// How many places are wanted; nil for all.
    private(set) var count: Int?
    /// Whether any places will do if there are more than wanted.
    private(set) var takesAny = false
    private(set) var wantsDistance = false
    private(set) var wantsHash = false
    private(set) var wantsPosition = false
    /// Where the result is stored instead of being returned.
    var destination: ByteSlice?
    /// Whether distances are stored as scores.
    private(set) var storesDistance = false
    /// Whether the area is named by options rather than by the first arguments.
    private(set) var isByOptions = false

    init(_ set: SortedSetValue?, command: ByteSlice) {
        self.set = set
        self.command = command
    }

    /// The area; nil when there are no places that it could be around.
    var shape: GeoShape? {
        switch figure {
        case .polygon(let vertices): GeoShape(polygon: vertices)
        case .circle(let radius, let unit): center.map { GeoShape(.circle(radius: radius), around: $0, unit: unit) }
        case .box(let width, let height, let unit):
            center.map { GeoShape(.box(width: width, height: height), around: $0, unit: unit) }
        case nil: nil
        }
    }

    /// The order of the result; nil if any will do. Of some places the nearest are meant, unless any will do.
    var order: Order? { givenOrder ?? (count != nil && !takesAny ? .nearestFirst : nil) }

    // MARK: reading

    mutating func readOptions(_ arguments: Arguments, from start: Int, _ options: Options) throws(CommandError) {
        isByOptions = options == .area || options == .areaStored
        var index = start
        while index < arguments.count {
            let left = arguments.count - index - 1
            if arguments.word(index, is: "withdist") {
                wantsDistance = true
            } else if arguments.word(index, is: "withhash") {
                wantsHash = true
            } else if arguments.word(index, is: "withcoord") {
                wantsPosition = true
            } else if arguments.word(index, is: "any") {
                takesAny = true
            } else if arguments.word(index, is: "asc") {
                givenOrder = .nearestFirst
            } else if arguments.word(index, is: "desc") {
                givenOrder = .farthestFirst
            } else if arguments.word(index, is: "count") && left >= 1 {
                let count = try arguments.integer(index + 1)
                guard count > 0 else { throw .message("ERR COUNT must be > 0") }
                self.count = count
                index += 1
            } else if let length = try readDestination(arguments, index, left, options) {
                index += length
            } else if isByOptions, let length = try readArea(arguments, index, left) {
                index += length
            } else {
                throw .syntax
            }
            index += 1
        }
    }

    /// - Returns: how many arguments the option takes; nil if it is none of these.
    private mutating func readDestination(
        _ arguments: Arguments, _ index: Int, _ left: Int, _ options: Options
    ) throws(CommandError) -> Int? {
        let isDistance = arguments.word(index, is: "storedist")
        if options == .areaStored && isDistance {
            storesDistance = true
            return 0
        }
        guard options == .circleStored && left >= 1, isDistance || arguments.word(index, is: "store") else {
            return nil
        }
        destination = arguments[index + 1]
        storesDistance = isDistance
        return 1
    }

    /// - Returns: how many arguments the option takes; nil if it is none of these, or does not go with those before it.
    private mutating func readArea(
        _ arguments: Arguments, _ index: Int, _ left: Int
    ) throws(CommandError) -> Int? {
        if arguments.word(index, is: "frommember") && left >= 1 && !hasPosition && !isPolygon {
            hasMember = true
            if set != nil { try takeCenter(fromMember: arguments[index + 1]) }
            return 1
        }
        if arguments.word(index, is: "fromlonlat") && left >= 2 && !hasMember && !isPolygon {
            hasPosition = true
            center = try arguments.position(index + 1)
            return 2
        }
        if arguments.word(index, is: "byradius") && left >= 2 && !isBox && !isPolygon {
            try readCircle(arguments, index + 1)
            return 2
        }
        if arguments.word(index, is: "bybox") && left >= 3 && !isCircle && !isPolygon {
            try readBox(arguments, index + 1)
            return 3
        }
        if arguments.word(index, is: "bypolygon") && left >= 1 && figure == nil && !hasMember && !hasPosition {
            return try readPolygon(arguments, index + 1)
        }
        return nil
    }

    private var isCircle: Bool { if case .circle = figure { true } else { false } }
    private var isBox: Bool { if case .box = figure { true } else { false } }
    private var isPolygon: Bool { if case .polygon = figure { true } else { false } }

    /// Reads a radius and a unit.
    mutating func readCircle(_ arguments: Arguments, _ index: Int) throws(CommandError) {
        let radius = try arguments.double(index, otherwise: .message("ERR need numeric radius"))
        guard radius >= 0 else { throw .message("ERR radius cannot be negative") }
        figure = .circle(radius: radius, try arguments.geoUnit(index + 1))
    }

    /// Reads a width, a height and a unit.
    private mutating func readBox(_ arguments: Arguments, _ index: Int) throws(CommandError) {
        let width = try arguments.double(index, otherwise: .message("ERR need numeric width"))
        let height = try arguments.double(index + 1, otherwise: .message("ERR need numeric height"))
        guard width >= 0 && height >= 0 else { throw .message("ERR height or width cannot be negative") }
        figure = .box(width: width, height: height, try arguments.geoUnit(index + 2))
    }

    /// Reads a number of vertices and as many positions.
    /// - Returns: how many arguments that are.
    private mutating func readPolygon(_ arguments: Arguments, _ index: Int) throws(CommandError) -> Int {
        guard let count = Decimal.parse(arguments[index]), Int(Int32.min)...Int(Int32.max) ~= count else {
            throw .message("ERR invalid number of vertices")
        }
        guard count >= 3 && count <= (arguments.count - index - 1) / 2 else {
            throw .message("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices")
        }
        var vertices: [GeoPosition] = []
        vertices.reserveCapacity(count)
        for vertex in 0..<count { vertices.append(try arguments.position(index + 1 + 2 * vertex)) }
        figure = .polygon(vertices)
        return 1 + 2 * count
    }

    /// Takes the position of a place as the center.
    mutating func takeCenter(fromMember member: ByteSlice) throws(CommandError) {
        guard let score = set?.score(of: member) else {
            throw .message("ERR could not decode requested zset member")
        }
        center = GeoHash(score: score).position
    }

    // MARK: checking

    /// Throws if something is missing or does not go together.
    func check() throws(CommandError) {
        if destination != nil && (wantsDistance || wantsHash || wantsPosition) {
            throw isByOptions
                ? .message("ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
                : .message(
                    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
        }
        if isByOptions {
            guard hasMember || hasPosition || isPolygon else {
                throw .quoting("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", command)
            }
            guard figure != nil else {
                throw .quoting("ERR exactly one of BYRADIUS and BYBOX can be specified for ", command)
            }
        }
        if takesAny && count == nil { throw .message("ERR the ANY argument requires COUNT argument") }
    }
}
