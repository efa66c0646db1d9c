// Positions as whole numbers: cells of a grid that is halved repeatedly.
//
// A cell of step n is one of 2^n by 2^n. Its bits are those of its column and of its row alternating, the column's first, so that the
// cells inside a larger one are consecutive numbers. A position is stored as its cell of step 26, whose 52 bits a double holds exactly:
// they are the scores of a sorted set, and all positions in a larger cell are one range of scores.

struct GeoHash: Equatable {
    var bits: UInt64
    /// How often the grid was halved each way: 1 to `finest`.
    let step: Int

    static let finest = 26

    init(bits: UInt64, step: Int) {
        self.bits = bits
        self.step = step
    }

    /// The cell of a position.
    /// - Parameter latitudes: the range that the rows divide; the position must be inside.
    init(_ position: GeoPosition, step: Int = finest, latitudes: ClosedRange<Double> = GeoPosition.latitudes) {
        let longitudes = GeoPosition.longitudes
        let scale = Double(UInt64(1) << UInt64(step))
        let row = (position.latitude - latitudes.lowerBound) / (latitudes.upperBound - latitudes.lowerBound) * scale
        let column =
            (position.longitude - longitudes.lowerBound) / (longitudes.upperBound - longitudes.lowerBound) * scale
        // The last meridian and parallel get a cell outside the grid, as in Redis, whose data must be read the same.
        bits = Self.spread(UInt32(row)) | Self.spread(UInt32(column)) << 1
        self.step = step
    }

    /// The cell of a score. A sorted set may hold any double: it is converted as x86-64 does it.
    init(score: Double) {
        let half = 0x1p63
        if score < half {
            bits = score >= -half ? UInt64(bitPattern: Int64(score)) : 1 << 63
        } else {
            bits = score < 2 * half ? UInt64(score) : 0
        }
        step = Self.finest
    }

    /// The scores of all positions in the cell.
    var scores: Range<Double> {
        let shift = UInt64(2 * (Self.finest - step))
        return Double(bits << shift)..<Double((bits &+ 1) << shift)
    }

    /// The score of a position that is stored as this cell.
    var score: Double { scores.lowerBound }

    // MARK: the position of the cell

    struct Area: Equatable {
        let longitudes: ClosedRange<Double>
        let latitudes: ClosedRange<Double>
    }

    var area: Area {
        func span(_ index: UInt32, _ limits: ClosedRange<Double>) -> ClosedRange<Double> {
            let cells = Double(UInt64(1) << UInt64(step))
            let width = limits.upperBound - limits.lowerBound
            let lower = limits.lowerBound + Double(index) / cells * width
            // The index of a cell outside the grid may wrap.
            let upper = limits.lowerBound + Double(index &+ 1) / cells * width
            return min(lower, upper)...max(lower, upper)
        }
        return Area(
            longitudes: span(Self.gathered(bits >> 1), GeoPosition.longitudes),
            latitudes: span(Self.gathered(bits), GeoPosition.latitudes))
    }

    /// The center of the cell, clamped to valid positions.
    var position: GeoPosition {
        func middle(_ span: ClosedRange<Double>, _ limits: ClosedRange<Double>) -> Double {
            min(max((span.lowerBound + span.upperBound) / 2, limits.lowerBound), limits.upperBound)
        }
        let area = area
        return GeoPosition(
            longitude: middle(area.longitudes, GeoPosition.longitudes),
            latitude: middle(area.latitudes, GeoPosition.latitudes))
    }

    /// The cell `east` columns to the east and `north` rows to the north; the grid wraps around.
    func neighbor(east: Int, north: Int) -> GeoHash {
        GeoHash(
            bits: Self.moved(bits >> 1, by: east, step: step) << 1 | Self.moved(bits, by: north, step: step), step: step
        )
    }

    private static func moved(_ bits: UInt64, by distance: Int, step: Int) -> UInt64 {
        let index = gathered(bits)
        // An index outside the grid stays outside if it is not moved.
        guard distance != 0 else { return spread(index) }
        return spread((index &+ UInt32(truncatingIfNeeded: distance)) & (1 << UInt32(step) &- 1))
    }

    // MARK: interleaving bits

    /// The bits with a zero before each.
    private static func spread(_ value: UInt32) -> UInt64 {
        var bits = UInt64(value)
        bits = (bits | bits << 16) & 0x0000_FFFF_0000_FFFF
        bits = (bits | bits << 8) & 0x00FF_00FF_00FF_00FF
        bits = (bits | bits << 4) & 0x0F0F_0F0F_0F0F_0F0F
        bits = (bits | bits << 2) & 0x3333_3333_3333_3333
        return (bits | bits << 1) & 0x5555_5555_5555_5555
    }

    /// Every second bit, from the lowest on.
    private static func gathered(_ value: UInt64) -> UInt32 {
        var bits = value & 0x5555_5555_5555_5555
        bits = (bits | bits >> 1) & 0x3333_3333_3333_3333
        bits = (bits | bits >> 2) & 0x0F0F_0F0F_0F0F_0F0F
        bits = (bits | bits >> 4) & 0x00FF_00FF_00FF_00FF
        bits = (bits | bits >> 8) & 0x0000_FFFF_0000_FFFF
        return UInt32(truncatingIfNeeded: bits | bits >> 16)
    }

    // MARK: text

    /// The standard geohash of eleven characters: over all latitudes up to the poles, in base 32. The last character is always 0, as 52
    /// bits make only ten.
    var text: [UInt8] {
        let standard = GeoHash(position, latitudes: -90...90)
        var text = (0..<10).map { Self.alphabet[Int(standard.bits >> UInt64(52 - ($0 + 1) * 5) & 31)] }
        text.append(Self.alphabet[0])
        return text
    }

    private static let alphabet = Array("0123456789bcdefghjkmnpqrstuvwxyz".utf8)
}
