import Testing

@testable import RespServer

struct ErrorStatisticsTests {
    @Test func errorsAreCountedByTheirCodes() {
        var errors = ErrorStatistics()
        for code in ["ERR", "WRONGTYPE", "ERR"] { #expect(errors.count(code) == nil) }
        #expect(errors.total == 3)
        #expect(errors.byCode == ["ERR": 2, "WRONGTYPE": 1])
    }

    @Test func tooManyCodesAreForgottenAndNotKeptAnyMore() {
        var errors = ErrorStatistics()
        for number in 0..<128 { #expect(errors.count("CODE\(number)") == nil) }
        #expect(errors.count("CODE7") == nil)
        #expect(errors.byCode.count == 128)
        #expect(errors.count("ONEMORE")?.count == 128)
        for number in 0..<1000 { #expect(errors.count("OTHER\(number)") == nil) }
        #expect(errors.byCode == ["ERRORSTATS_DISABLED": 1])
        #expect(errors.total == 1130)
    }
}
