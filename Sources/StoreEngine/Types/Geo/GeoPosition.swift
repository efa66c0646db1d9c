// Positions on earth and their distances.
//
// The earth is a sphere here, and distances are those on great circles by the haversine formula. Every expression is evaluated in the same
// order as in Redis, because a distance that is stored as a score must be equal to the last bit.

import Glibc

/// A longitude and a latitude in degrees.
struct GeoPosition: Equatable {
    var longitude: Double
    var latitude: Double

    /// The positions that can be stored: the square of the Web Mercator projection, without the poles.
    static let longitudes = -180.0...180.0
    static let latitudes = -85.05112878...85.05112878

    var isInRange: Bool { Self.longitudes.contains(longitude) && Self.latitudes.contains(latitude) }

    /// Meters to another position.
    func distance(to other: GeoPosition) -> Double { GeoCenter(self).distance(to: other) }
}

enum Earth {
    /// The quadratic mean radius of WGS 84, in meters.
    static let radius = 6_372_797.560856
    /// Half of the side of the Mercator square, in meters.
    static let mercatorLimit = 20_037_726.37

    private static let radiansPerDegree = Double.pi / 180

    @inline(__always) static func radians(_ degrees: Double) -> Double { degrees * radiansPerDegree }
    @inline(__always) static func degrees(_ radians: Double) -> Double { radians / radiansPerDegree }
}

/// A position that many distances are measured from, with the parts of the formula that depend only on it.
struct GeoCenter {
    let longitude: Double
    let latitude: Double
    let cosineOfLatitude: Double

    init(_ position: GeoPosition) {
        longitude = Earth.radians(position.longitude)
        latitude = Earth.radians(position.latitude)
        cosineOfLatitude = cos(latitude)
    }

    /// Meters to a position.
    func distance(to position: GeoPosition) -> Double { Arc(from: self, to: position).length }

    /// The great circle from a center to a position, with the parts of the formula.
    struct Arc {
        private let center: GeoCenter
        private let latitude: Double
        private let cosineOfLatitude: Double
        /// The sines of half the difference in longitude and in latitude.
        private let halfLongitude: Double
        private let halfLatitude: Double

        init(from center: GeoCenter, to position: GeoPosition) {
            latitude = Earth.radians(position.latitude)
            self.center = center
            cosineOfLatitude = cos(latitude)
            halfLongitude = sin((Earth.radians(position.longitude) - center.longitude) / 2)
            halfLatitude = sin((latitude - center.latitude) / 2)
        }

        /// The square of the sine of half the angle.
        var haversine: Double {
            halfLatitude * halfLatitude + center.cosineOfLatitude * cosineOfLatitude * halfLongitude * halfLongitude
        }

        var length: Double {
            // On the same meridian Redis uses the difference in latitude.
            halfLongitude == 0 ? Earth.radius * abs(latitude - center.latitude) : Self.meters(haversine)
        }

        /// Meters to the center's meridian along the position's parallel, on a great circle.
        var lengthAlongParallel: Double {
            Self.meters(cosineOfLatitude * cosineOfLatitude * halfLongitude * halfLongitude)
        }

        /// The length of an arc. Rounding may have made the sine of half an angle larger than 1, which is clamped.
        private static func meters(_ haversine: Double) -> Double { 2.0 * Earth.radius * asin(min(sqrt(haversine), 1)) }
    }
}

/// A unit of distances.
enum GeoUnit {
    case meters, kilometers, feet, miles

    var meters: Double {
        switch self {
        case .meters: 1
        case .kilometers: 1000
        case .feet: 0.3048
        case .miles: 1609.34
        }
    }
}
