// Connections that are kept: by name, for a while, and not too many.

import Testing

@testable import RespServer

@Suite struct TargetSocketsTests {
    private final class Closed {
        var descriptors: [Int32] = []
    }

    private let closed = Closed()

    private func name(_ number: Int) -> [UInt8] {
        TargetSockets.name(host: Array("h".utf8), port: Array("\(number)".utf8))
    }

    private func sockets() -> TargetSockets { TargetSockets { [closed] in closed.descriptors.append($0) } }

    @Test func oneIsGivenToOne() {
        var sockets = sockets()
        sockets.keep(KeptSocket(descriptor: 7, database: 3), as: name(1), now: 1000)
        #expect(sockets.take(name(2)) == nil && sockets.count == 1)
        #expect(sockets.take(name(1)) == KeptSocket(descriptor: 7, database: 3))
        #expect(sockets.take(name(1)) == nil && sockets.count == 0 && closed.descriptors.isEmpty)
        sockets.keep(KeptSocket(descriptor: 7, database: 3), as: name(1), now: 1000)
        sockets.keep(KeptSocket(descriptor: 8, database: nil), as: name(1), now: 1000)
        #expect(closed.descriptors == [7] && sockets.count == 1)
    }

    @Test func hostsAndPortsHaveNamesOfTheirOwn() {
        let names = [("h", "1:2"), ("h:1", "2"), ("h1", ":2"), ("", "h1:2"), ("h1:2", "")].map {
            TargetSockets.name(host: Array($0.0.utf8), port: Array($0.1.utf8))
        }
        #expect(Set(names).count == names.count)
    }

    @Test func theyEndWhenTheyAreNotUsed() {
        var sockets = sockets()
        #expect(sockets.closeIdle(now: 1000) == nil)
        sockets.keep(KeptSocket(descriptor: 1, database: 0), as: name(1), now: 1000)
        sockets.keep(KeptSocket(descriptor: 2, database: 0), as: name(2), now: 4000)
        #expect(sockets.closeIdle(now: 10_999) == 11_000 && closed.descriptors.isEmpty)
        #expect(sockets.closeIdle(now: 11_000) == 14_000 && closed.descriptors == [1])
        // The clock was put back.
        #expect(sockets.closeIdle(now: 3000) == nil && closed.descriptors == [1, 2] && sockets.count == 0)
    }

    @Test func thereIsABound() {
        var sockets = sockets()
        for number in 0..<Int32(3 * TargetSockets.capacity) {
            sockets.keep(KeptSocket(descriptor: number, database: 0), as: name(Int(number)), now: 1000)
            #expect(sockets.take(name(Int(number)))?.descriptor == number)
            sockets.keep(KeptSocket(descriptor: number, database: 0), as: name(Int(number)), now: 1000)
        }
        #expect(sockets.count == TargetSockets.capacity)
        #expect(Set(closed.descriptors).count == 2 * TargetSockets.capacity)
    }
}
