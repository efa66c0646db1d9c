import Testing

@testable import respcli

@Suite struct BenchRequestTests {
    @Test func placesOfNumbers() {
        let request = BenchRequest([Bytes("SET".utf8), Bytes("a__rand_int__b__rand_int__".utf8)])
        #expect(request.places.count == 2)
        for place in request.places { #expect(request.bytes[place..<(place + 12)].elementsEqual("__rand_int__".utf8)) }
        #expect(BenchRequest(raw: Bytes("PING\r\n".utf8)).places.isEmpty)
    }

    /// A generator that draws each byte from the system could not repeat itself.
    @Test func valuesFollowFromTheirSeed() {
        let data = BenchTest.data(10_000, seed: 7)
        #expect(
            data.count == 10_000 && data == BenchTest.data(10_000, seed: 7) && data != BenchTest.data(10_000, seed: 9))
        #expect(Set(data) == Set(0x21...0x7E))
    }

    @Test func tests() {
        let data = Bytes("xyz".utf8)
        for test in BenchTest.selected(nil, data: data, isRandom: false) {
            #expect(test.requestLength == test.request.bytes.count)
        }
        #expect(BenchTest.selected(nil, data: data, isRandom: false).count == 21)
        #expect(
            BenchTest.selected(["ping"], data: data, isRandom: false).map(\.title) == ["PING_INLINE", "PING_MBULK"])
        #expect(BenchTest.selected(["lrange_300"], data: data, isRandom: false).count == 2)
        #expect(BenchTest.names.contains("lrange") && Set(BenchTest.names).count == BenchTest.names.count)
    }
}
