// Places: the numbers they are kept as, distances, and which cells of the grid cover an area. What Redis says of the same places is
// written out; covers are checked with random places.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct GeoTests {
    private let palermo = GeoPosition(longitude: 13.361389, latitude: 38.115556)
    private let catania = GeoPosition(longitude: 15.087269, latitude: 37.502669)

    private func text(_ value: Double, _ decimals: Int, trimmed: Bool = false) -> String {
        FixedPoint.withText(value, decimals: decimals, trimmed: trimmed) { $0.description }
    }

    @Test func placesAreKeptAsInRedis() {
        #expect(GeoHash(palermo).score == 3_479_099_956_230_698)
        #expect(GeoHash(catania).score == 3_479_447_370_796_909)
        #expect(String(decoding: GeoHash(palermo).text, as: UTF8.self) == "sqc8b49rny0")
        #expect(String(decoding: GeoHash(catania).text, as: UTF8.self) == "sqdtr74hyu0")
        let kept = GeoHash(score: 3_479_099_956_230_698).position
        #expect(text(kept.longitude, 17, trimmed: true) == "13.36138933897018433")
        #expect(text(kept.latitude, 17, trimmed: true) == "38.11555639549629859")
    }

    @Test func distancesAreRedisDistances() {
        let distance = GeoHash(palermo).position.distance(to: GeoHash(catania).position)
        #expect(text(distance, 4) == "166274.1516")
        #expect(text(distance / GeoUnit.kilometers.meters, 4) == "166.2742")
        #expect(text(distance / GeoUnit.miles.meters, 4) == "103.3182")
        #expect(palermo.distance(to: palermo) == 0)
    }

    @Test func anyScoreIsAPlace() {
        for score in [-1.0, .infinity, -.infinity, 1e300, -1e300, 0x1p63, 0x1p64, -0x1p63, 0.5, 1e15] {
            #expect(GeoHash(score: score).position.isInRange)
        }
    }

    @Test func everyCellHoldsItsPlaces() {
        var random = RandomSource(seed: TestSeed.fixed(1))
        for _ in 0..<2000 {
            let place = randomPlace(&random)
            for step in [1, 2, 7, 13, 25, 26] {
                let cell = GeoHash(place, step: step)
                #expect(cell.scores.contains(GeoHash(place).score))
                #expect(cell.area.longitudes.contains(place.longitude))
                #expect(cell.area.latitudes.contains(place.latitude))
                #expect(GeoHash(cell.position, step: step) == cell)
            }
        }
    }

    @Test func neighborsTouchAndTheGridHasNoEdges() {
        for step in 1...4 {
            for bits in 0..<UInt64(1) << UInt64(2 * step) {
                let cell = GeoHash(bits: bits, step: step)
                let east = cell.neighbor(east: 1, north: 0)
                let north = cell.neighbor(east: 0, north: 1)
                #expect(east.neighbor(east: -1, north: 0) == cell)
                #expect(north.neighbor(east: 0, north: -1) == cell)
                #expect(east.neighbor(east: 0, north: 1) == north.neighbor(east: 1, north: 0))
                #expect(east.area.latitudes == cell.area.latitudes)
                let isLast = cell.area.longitudes.upperBound == 180
                #expect(east.area.longitudes.lowerBound == (isLast ? -180 : cell.area.longitudes.upperBound))
            }
        }
    }

    @Test(arguments: [1, 2, 3]) func cellsCoverTheAreaOnce(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        for _ in 0..<300 {
            let center = GeoPosition(longitude: between(-120, 120, &random), latitude: between(-60, 60, &random))
            let size = [1, 30, 2000, 500_000][random.below(4)] * between(0.1, 1, &random)
            let shape =
                switch random.below(3) {
                case 0: GeoShape(.circle(radius: size), around: center, unit: .meters)
                case 1: GeoShape(.box(width: size, height: size * 1.5), around: center, unit: .feet)
                default: GeoShape(polygon: polygon(around: center, size: size, &random))
                }
            var cells: [GeoHash] = []
            shape.forEachCell { cell in
                #expect(!cells.contains(cell))
                cells.append(cell)
                return true
            }
            #expect(1...9 ~= cells.count)
            for _ in 0..<200 {
                let place = GeoPosition(
                    longitude: center.longitude + between(-size, size, &random) / 40_000,
                    latitude: center.latitude + between(-size, size, &random) / 80_000)
                guard place.isInRange, let distance = shape.distance(ifContaining: place) else { continue }
                #expect(abs(distance - shape.center.distance(to: place)) <= 1e-9 * distance)
                let score = GeoHash(place).score
                #expect(cells.contains { $0.scores.contains(score) }, "\(shape) \(place)")
            }
        }
    }

    @Test func quickAnswersAreRight() {
        var random = RandomSource(seed: TestSeed.fixed(7))
        for _ in 0..<5000 {
            let center = randomPlace(&random)
            let place = randomPlace(&random)
            let distance = center.distance(to: place)
            for radius in [0, distance * 0.999999999, distance.nextDown, distance, distance.nextUp, distance * 2] {
                let shape = GeoShape(.circle(radius: radius), around: center, unit: .meters)
                #expect((shape.distance(ifContaining: place) != nil) == (distance <= radius))
            }
        }
    }

    @Test func polygonsMayBeHollowAndCloseToThePole() {
        // An L: the notch in its corner is outside.
        let corners: [(Double, Double)] = [(0, 0), (10, 0), (10, 5), (5, 5), (5, 10), (0, 10)]
        let shape = GeoShape(polygon: corners.map { GeoPosition(longitude: $0.0, latitude: $0.1) })
        #expect(shape.distance(ifContaining: GeoPosition(longitude: 2, latitude: 8)) != nil)
        #expect(shape.distance(ifContaining: GeoPosition(longitude: 8, latitude: 2)) != nil)
        #expect(shape.distance(ifContaining: GeoPosition(longitude: 8, latitude: 8)) == nil)
        let cap = GeoShape(
            polygon: [(-180, 80), (180, 80), (180, 85), (-180, 85)].map { GeoPosition(longitude: $0.0, latitude: $0.1) }
        )
        for longitude in stride(from: -179.0, through: 179, by: 20) {
            let place = GeoPosition(longitude: longitude, latitude: 82)
            #expect(cap.distance(ifContaining: place) != nil)
            var isCovered = false
            cap.forEachCell { cell in
                isCovered = isCovered || cell.scores.contains(GeoHash(place).score)
                return true
            }
            #expect(isCovered)
        }
    }

    @Test func fixedPointIsExact() {
        #expect(text(0, 4) == "0.0000")
        #expect(text(0.00005, 4) == "0.0001")
        #expect(text(0.5, 1) == "0.5")
        #expect(text(0.25, 1) == "0.2")
        #expect(text(0.75, 1) == "0.8")
        #expect(text(9.99996, 4) == "10.0000")
        #expect(text(-1.5, 17, trimmed: true) == "-1.5")
        #expect(text(-180, 17, trimmed: true) == "-180")
        #expect(text(-1e-300, 17, trimmed: true) == "0")
        #expect(text(.leastNonzeroMagnitude, 4) == "0.0000")
        #expect(text(1e18, 4) == "1000000000000000000.0000")
        var random = RandomSource(seed: TestSeed.fixed(5))
        for _ in 0..<5000 {
            let value = between(-180, 180, &random)
            let expected = String(decoding: LongDoubleText.text(LongDouble(value)), as: UTF8.self)
            #expect(text(value, 17, trimmed: true) == expected)
        }
    }

    // MARK: random

    private func between(_ low: Double, _ high: Double, _ random: inout RandomSource) -> Double {
        low + (high - low) * Double(random.below(1 << 40)) / Double(1 << 40)
    }

    private func randomPlace(_ random: inout RandomSource) -> GeoPosition {
        GeoPosition(longitude: between(-180, 180, &random), latitude: between(-85, 85, &random))
    }

    private func polygon(around center: GeoPosition, size: Double, _ random: inout RandomSource) -> [GeoPosition] {
        (0..<3 + random.below(6)).map { _ in
            GeoPosition(
                longitude: center.longitude + between(-size, size, &random) / 80_000,
                latitude: center.latitude + between(-size, size, &random) / 160_000)
        }
    }
}
