import Testing

@testable import TerminalKit

@Suite struct BarChartTests {
    @Test func bars() {
        #expect(BarChart.bar(0.5, 4) == "██" && BarChart.bar(0.53125, 4) == "██▏" && BarChart.bar(2, 3) == "███")
        #expect(BarChart.bar(-1, 4) == "" && BarChart.bar(.nan, 4) == "" && BarChart.bar(0.5, 4, false) == "##")
    }

    @Test func rows() {
        let rows = [BarChart.Row(label: "a", value: 1, text: "1"), .init(label: "bcd", value: 4, text: "4.0")]
        #expect(BarChart.lines(rows, width: 17, usesBlocks: false) == ["  a   1  ##", "bcd 4.0  ########"])
        let wide = BarChart.lines(
            [1.0, 10, 100].map { .init(label: "x", value: $0, text: "") }, width: 14, isLogarithmic: true,
            usesBlocks: false)
        #expect(wide.map { $0.filter { $0 == "#" }.count } == [1, 6, 10])
        #expect(BarChart.lines([.init(label: "x", value: 0, text: "0")], width: 20) == ["x 0"])
        #expect(BarChart.lines([], width: 20).isEmpty)
    }

    @Test func sparklines() {
        #expect(
            BarChart.sparkline([0, 1, 4, 8], width: 4) == " ▁▄█" && BarChart.sparkline([1, 2, 3], width: 1) == "█")
        #expect(BarChart.sparkline([], width: 5) == "" && BarChart.sparkline([0, 0], width: 5) == "  ")
    }

    @Test func logarithms() {
        for (value, expected) in [
            (1.0, 0.0), (2.718281828459045, 1), (10, 2.302585092994046), (0.5, -0.6931471805599453),
        ] {
            #expect(abs(BarChart.logarithm(value) - expected) < 1e-9)
        }
    }

    @Test func tables() {
        #expect(TextTable.lines([["name", "n"], ["x", "100"]], leftColumns: 1) == ["name    n", "x     100"])
    }
}
