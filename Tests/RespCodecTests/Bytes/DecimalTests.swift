// Numbers as text, and what is none.

import RespCodec
import Testing

struct DecimalTests {
    @Test(arguments: [0, 1, -1, 9, 10, 99, 100, Int.max, Int.min, 1_000_000_007])
    func roundTrips(_ value: Int) {
        #expect(Decimal.text(value) == Array(String(value).utf8))
        #expect(Decimal.text(value).withByteSlice { Decimal.parse($0) } == value)
    }

    @Test(arguments: ["", "-", "-0", "+1", "01", " 1", "1 ", "9223372036854775808", "-9223372036854775809", "1e3"])
    func refuses(_ text: String) { #expect(Array(text.utf8).withByteSlice { Decimal.parse($0) } == nil) }

    @Test(arguments: [
        (3.0, "3"), (0.1, "0.1"), (3.141, "3.141"), (1e20, "1e+20"), (-1.5, "-1.5"), (1e-7, "1e-7"), (100.0, "100"),
        (0.0, "0"),
        (-0.0, "-0"), (123456789.125, "123456789.125"), (1e-5, "0.00001"), (Double.infinity, "inf"),
    ])
    func doubles(_ value: Double, _ text: String) {
        #expect(String(decoding: FloatingPoint64.text(value), as: UTF8.self) == text)
    }
}
