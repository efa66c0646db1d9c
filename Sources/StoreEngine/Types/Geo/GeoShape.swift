// Areas to search: a circle, a box or a polygon. Finds the cells of the grid that cover the area, and whether a position is in it.
//
// The cover is a square of nine cells around that of the center, large enough to cover the area, without those that the area does not
// touch. Size and order of the cells are those of Redis, because results that are not sorted are in the order of the cells.

import Glibc

struct GeoShape {
    enum Figure {
        case circle(radius: Double)
        /// Up to half of the width away along the parallel of the position, and half of the height along the meridian.
        case box(width: Double, height: Double)
        /// Inside the closed line through all vertices, with straight sides on a map of longitudes and latitudes.
        case polygon([GeoPosition])
    }

    let figure: Figure
    let center: GeoPosition
    /// The unit of the figure's lengths.
    let unit: GeoUnit
    private let origin: GeoCenter
    /// A position that differs more than these is outside, which is cheaper to check than its distance.
    private let largestLatitudeDifference: Double
    private let largestHaversine: Double

    /// A circle or box around a position.
    init(_ figure: Figure, around center: GeoPosition, unit: GeoUnit) {
        self.figure = figure
        self.center = center
        self.unit = unit
        origin = GeoCenter(center)
        // A little more than the formula gives, for errors of rounding.
        let margin = 1 + 1e-9
        switch figure {
        case .circle(let radius):
            let angle = radius * unit.meters / Earth.radius
            largestLatitudeDifference = angle * margin
            let sine = sin(angle / 2)
            largestHaversine = angle < .pi ? sine * sine * margin : .infinity
        case .box(_, let height):
            largestLatitudeDifference = height * unit.meters / 2 / Earth.radius * margin
            largestHaversine = .infinity
        case .polygon:
            largestLatitudeDifference = .infinity
            largestHaversine = .infinity
        }
    }

    /// A polygon of at least three vertices. Its center is the mean of the vertices on the sphere.
    init(polygon vertices: [GeoPosition]) {
        var sum = (x: 0.0, y: 0.0, z: 0.0)
        for vertex in vertices {
            let longitude = Earth.radians(vertex.longitude)
            let latitude = Earth.radians(vertex.latitude)
            sum.x += cos(latitude) * cos(longitude)
            sum.y += cos(latitude) * sin(longitude)
            sum.z += sin(latitude)
        }
        let center = GeoPosition(
            longitude: Earth.degrees(atan2(sum.y, sum.x)),
            latitude: Earth.degrees(atan2(sum.z, sqrt(sum.x * sum.x + sum.y * sum.y))))
        self.init(.polygon(vertices), around: center, unit: .meters)
    }

    // MARK: positions inside

    /// Meters from the center to a position that is in the area; nil for one outside.
    func distance(ifContaining position: GeoPosition) -> Double? {
        switch figure {
        case .circle(let radius):
            guard isNearInLatitude(position) else { return nil }
            let arc = GeoCenter.Arc(from: origin, to: position)
            guard arc.haversine <= largestHaversine else { return nil }
            let distance = arc.length
            return distance > radius * unit.meters ? nil : distance
        case .box(let width, let height):
            guard isNearInLatitude(position) else { return nil }
            let difference = abs(Earth.radians(center.latitude) - Earth.radians(position.latitude))
            guard !(Earth.radius * difference > height * unit.meters / 2) else { return nil }
            let arc = GeoCenter.Arc(from: origin, to: position)
            guard !(arc.lengthAlongParallel > width * unit.meters / 2) else { return nil }
            return arc.length
        case .polygon(let vertices):
            return Self.polygon(vertices, contains: position) ? origin.distance(to: position) : nil
        }
    }

    private func isNearInLatitude(_ position: GeoPosition) -> Bool {
        abs(Earth.radians(position.latitude) - origin.latitude) <= largestLatitudeDifference
    }

    /// Whether a ray to the east crosses an odd number of sides.
    private static func polygon(_ vertices: [GeoPosition], contains position: GeoPosition) -> Bool {
        var isInside = false
        var previous = vertices[vertices.count - 1]
        for vertex in vertices {
            if (vertex.latitude > position.latitude) != (previous.latitude > position.latitude) {
                let crossing =
                    (previous.longitude - vertex.longitude) * (position.latitude - vertex.latitude)
                    / (previous.latitude - vertex.latitude) + vertex.longitude
                if position.longitude < crossing { isInside.toggle() }
            }
            previous = vertex
        }
        return isInside
    }

    // MARK: the cover

    struct Bounds {
        var west: Double
        var south: Double
        var east: Double
        var north: Double
    }

    /// Approximately the smallest rectangle of meridians and parallels around the area. Its sides may be outside of the valid ranges.
    var bounds: Bounds {
        let width: Double
        let height: Double
        switch figure {
        case .circle(let radius):
            width = unit.meters * radius
            height = width
        case .box(let fullWidth, let fullHeight):
            width = unit.meters * fullWidth / 2
            height = unit.meters * fullHeight / 2
        case .polygon(let vertices):
            let first = vertices[0]
            return vertices.reduce(
                Bounds(west: first.longitude, south: first.latitude, east: first.longitude, north: first.latitude)
            ) {
                Bounds(
                    west: min($0.west, $1.longitude), south: min($0.south, $1.latitude),
                    east: max($0.east, $1.longitude), north: max($0.north, $1.latitude))
            }
        }
        let latitudes = Earth.degrees(height / Earth.radius)
        // Degrees of longitude are shorter farther from the equator; Redis uses the northern side on the northern hemisphere.
        let widest = center.latitude < 0 ? center.latitude - latitudes : center.latitude + latitudes
        let longitudes = Earth.degrees(width / Earth.radius / cos(Earth.radians(widest)))
        return Bounds(
            west: center.longitude - longitudes, south: center.latitude - latitudes,
            east: center.longitude + longitudes, north: center.latitude + latitudes)
    }

    /// The radius in meters around the center that contains the area.
    private func reach(_ bounds: Bounds) -> Double {
        switch figure {
        case .circle(let radius):
            return radius * unit.meters
        case .box(let width, let height):
            return sqrt((width / 2) * (width / 2) + (height / 2) * (height / 2)) * unit.meters
        case .polygon:
            let corners = [
                GeoPosition(longitude: bounds.west, latitude: bounds.north),
                GeoPosition(longitude: bounds.east, latitude: bounds.north),
                GeoPosition(longitude: bounds.west, latitude: bounds.south),
                GeoPosition(longitude: bounds.east, latitude: bounds.south),
            ]
            return corners.reduce(0) { max($0, origin.distance(to: $1)) }
        }
    }

    /// Calls `body` with the cells that cover the area, until it returns false.
    func forEachCell(_ body: (GeoHash) -> Bool) {
        let bounds = bounds
        var step = Self.step(reaching: reach(bounds), latitude: center.latitude)
        let indexed = searchCenter
        var middle = GeoHash(indexed, step: step)
        // If the center is near an edge of its cell, the cells around it may not reach far enough. One step is enough for circles and boxes.
        while step > 1 && !Self.covers(bounds, around: middle) {
            step -= 1
            middle = GeoHash(indexed, step: step)
            guard case .polygon = figure else { break }
        }
        let area = middle.area
        let isCoarse = step < 2
        let reaches = (
            west: isCoarse || !(area.longitudes.lowerBound < bounds.west),
            east: isCoarse || !(area.longitudes.upperBound > bounds.east),
            south: isCoarse || !(area.latitudes.lowerBound < bounds.south),
            north: isCoarse || !(area.latitudes.upperBound > bounds.north)
        )
        var last: GeoHash?
        /// - Returns: whether to continue.
        func visit(_ isReached: Bool, east: Int, north: Int) -> Bool {
            guard isReached else { return true }
            let cell = middle.neighbor(east: east, north: north)
            // In a grid of two cells, those on both sides are the same.
            guard cell != last else { return true }
            last = cell
            return body(cell)
        }
        guard body(middle) else { return }
        _ =
            visit(reaches.north, east: 0, north: 1)
            && visit(reaches.south, east: 0, north: -1)
            && visit(reaches.east, east: 1, north: 0)
            && visit(reaches.west, east: -1, north: 0)
            && visit(reaches.north && reaches.east, east: 1, north: 1)
            && visit(reaches.north && reaches.west, east: -1, north: 1)
            && visit(reaches.south && reaches.east, east: 1, north: -1)
            && visit(reaches.south && reaches.west, east: -1, north: -1)
    }

    /// The center; for a polygon the nearest position that has a cell in the grid, as its center may be too near a pole.
    private var searchCenter: GeoPosition {
        guard case .polygon = figure else { return center }
        // The last meridian and parallel have a cell outside the grid.
        let inset = 1e-9
        return GeoPosition(
            longitude: min(center.longitude, GeoPosition.longitudes.upperBound - inset),
            latitude: min(
                max(center.latitude, GeoPosition.latitudes.lowerBound), GeoPosition.latitudes.upperBound - inset))
    }

    /// The finest step at which three by three cells cover this radius, in most places.
    private static func step(reaching meters: Double, latitude: Double) -> Int {
        guard meters != 0 else { return GeoHash.finest }
        var step = -1
        var doubled = meters
        while doubled < Earth.mercatorLimit {
            doubled *= 2
            step += 1
        }
        // Near the poles cells are smaller.
        if abs(latitude) > 66 { step -= 1 }
        if abs(latitude) > 80 { step -= 1 }
        return min(max(step, 1), GeoHash.finest)
    }

    /// Whether the cells north, south, east and west of one reach the bounds. Bounds that are NaN count as reached.
    private static func covers(_ bounds: Bounds, around cell: GeoHash) -> Bool {
        !(cell.neighbor(east: 0, north: 1).area.latitudes.upperBound < bounds.north)
            && !(cell.neighbor(east: 0, north: -1).area.latitudes.lowerBound > bounds.south)
            && !(cell.neighbor(east: 1, north: 0).area.longitudes.upperBound < bounds.east)
            && !(cell.neighbor(east: -1, north: 0).area.longitudes.lowerBound > bounds.west)
    }
}
