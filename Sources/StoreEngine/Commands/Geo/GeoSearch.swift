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

    mutating func readOptions(_ reader: inout ArgumentReader, _ options: Options) throws(CommandError) {
        isByOptions = options == .area || options == .areaStored
        while !reader.isAtEnd {
            if reader.takes("withdist") {
                wantsDistance = true
            } else if reader.takes("withhash") {
                wantsHash = true
            } else if reader.takes("withcoord") {
                wantsPosition = true
            } else if reader.takes("any") {
                takesAny = true
            } else if reader.takes("asc") {
                givenOrder = .nearestFirst
            } else if reader.takes("desc") {
                givenOrder = .farthestFirst
            } else if reader.takes("count", with: 1) {
                let count = try reader.integer()
                guard count > 0 else { throw .countNotPositive }
                self.count = count
            } else if !readDestination(&reader, options) {
                guard isByOptions, try readArea(&reader) else { throw .syntax }
            }
        }
    }

    /// Whether what comes next was an option that tells what is stored, and where.
    private mutating func readDestination(_ reader: inout ArgumentReader, _ options: Options) -> Bool {
        switch options {
        case .area, .circle: return false
        case .areaStored:
            guard reader.takes("storedist") else { return false }
            storesDistance = true
        case .circleStored:
            let isDistance = reader.takes("storedist", with: 1)
            guard isDistance || reader.takes("store", with: 1) else { return false }
            destination = reader.next()
            storesDistance = isDistance
        }
        return true
    }

    /// Whether what comes next was an option that names the area, and goes with those before it.
    private mutating func readArea(_ reader: inout ArgumentReader) throws(CommandError) -> Bool {
        if !hasPosition && !isPolygon && reader.takes("frommember", with: 1) {
            hasMember = true
            let member = reader.next()
            if set != nil { try takeCenter(fromMember: member) }
        } else if !hasMember && !isPolygon && reader.takes("fromlonlat", with: 2) {
            hasPosition = true
            center = try reader.position()
        } else if !isBox && !isPolygon && reader.takes("byradius", with: 2) {
            try readCircle(&reader)
        } else if !isCircle && !isPolygon && reader.takes("bybox", with: 3) {
            try readBox(&reader)
        } else if !isCircle && !isBox && !hasMember && !hasPosition && reader.takes("bypolygon", with: 1) {
            try readPolygon(&reader)
        } else {
            return false
        }
        return true
    }

    private var isCircle: Bool { if case .circle = figure { true } else { false } }
    private var isBox: Bool { if case .box = figure { true } else { false } }
    private var isPolygon: Bool { if case .polygon = figure { true } else { false } }

    /// Reads a radius and a unit.
    mutating func readCircle(_ reader: inout ArgumentReader) throws(CommandError) {
        let radius = try reader.double(otherwise: .message("ERR need numeric radius"))
        guard radius >= 0 else { throw .message("ERR radius cannot be negative") }
        figure = .circle(radius: radius, try reader.geoUnit())
    }

    /// Reads a width, a height and a unit.
    private mutating func readBox(_ reader: inout ArgumentReader) throws(CommandError) {
        let width = try reader.double(otherwise: .message("ERR need numeric width"))
        let height = try reader.double(otherwise: .message("ERR need numeric height"))
        guard width >= 0 && height >= 0 else { throw .message("ERR height or width cannot be negative") }
        figure = .box(width: width, height: height, try reader.geoUnit())
    }

    /// Reads a number of vertices and as many positions.
    private mutating func readPolygon(_ reader: inout ArgumentReader) throws(CommandError) {
        let count = try reader.integer(
            in: Int(Int32.min)...Int(Int32.max), otherwise: .message("ERR invalid number of vertices"))
        guard count >= 3 && count <= reader.left / 2 else {
            throw .message("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices")
        }
        var vertices: [GeoPosition] = []
        vertices.reserveCapacity(count)
        for _ in 0..<count { vertices.append(try reader.position()) }
        figure = .polygon(vertices)
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
