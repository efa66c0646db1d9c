import Testing

@testable import TerminalKit

@Suite struct ProgressBarTests {
    private static func bar(_ done: Int, of total: Int?, seconds: Double, unit: String = "keys") -> ProgressBar {
        var bar = ProgressBar(label: "scan", unit: unit, total: total, time: 1_000_000_000)
        bar.update(done: done, time: 1_000_000_000 + Int(seconds * 1e9))
        return bar
    }

    @Test func texts() {
        #expect(
            Self.bar(2500, of: 10_000, seconds: 2).text(width: 80)
                == "scan  [##########------------------------------]  25.0 %  1.3k keys/s  0:06 left")
        #expect(Self.bar(5, of: 10, seconds: 1).text(width: 30) == "scan  50.0 %  5 keys/s  0:01 l")
        #expect(Self.bar(1 << 21, of: nil, seconds: 2, unit: "bytes").text(width: 80) == "scan  2.0 MiB  1.0 MiB/s")
        #expect(Self.bar(20, of: 10, seconds: 1).text(width: 80).contains("100.0 %"))
        #expect(Self.bar(0, of: 10, seconds: 0).text(width: 80).contains("0.0 %  0 keys/s"))
        #expect(Self.bar(0, of: 0, seconds: 1).text(width: 0) == "")
        for width in 0..<100 { #expect(Self.bar(3, of: 7, seconds: 9).text(width: width).count <= width) }
    }

    @Test func amounts() {
        #expect(Amount.fixed(2.345, decimals: 2) == "2.35" && Amount.fixed(-0.001, decimals: 2) == "0.00")
        #expect(Amount.fixed(9.999, decimals: 1) == "10.0" && Amount.fixed(.infinity, decimals: 1) == "inf")
        #expect(Amount.short(999) == "999" && Amount.short(1234) == "1.2k" && Amount.short(5.6e9) == "5.6G")
        #expect(Amount.duration(7) == "0:07" && Amount.duration(754) == "12:34" && Amount.duration(10930) == "3:02:10")
    }

    @Test func widths() {
        #expect(CharacterWidth.of("abc") == 3 && CharacterWidth.of("日本") == 4 && CharacterWidth.of("e\u{301}") == 1)
        #expect(CharacterWidth.of("😀") == 2 && CharacterWidth.of("é") == 1 && CharacterWidth.of("") == 0)
    }

    @Test func columns() {
        #expect(Columns.text(["a", "bb", "ccc"], width: 80) == "a    bb   ccc\r\n")
        #expect(Columns.text(["a", "bb", "ccc"], width: 11) == "a    ccc\r\nbb\r\n")
        #expect(Columns.text(["a", "b"], width: 1) == "a\r\nb\r\n" && Columns.text([], width: 10) == "")
    }
}
