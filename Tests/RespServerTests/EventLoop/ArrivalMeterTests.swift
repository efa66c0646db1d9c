// When the loop looks away: many clients, one after the other, and fast. Events and cycles are made up.

import Testing

@testable import RespServer

@Suite struct ArrivalMeterTests {
    private static let millisecond: UInt64 = 2_400_000

    /// Clients that send by turns.
    private struct Crowd {
        var meter = ArrivalMeter()
        private var lastEvents: [Int]
        private var next = 0
        private var cycles: UInt64 = 5_000_000

        init(clients: Int) { lastEvents = Array(repeating: 0, count: clients) }

        /// - Parameter gap: cycles between two events.
        mutating func send(events: Int, gap: UInt64, milliseconds: UInt64 = 200) {
            send(events: events, milliseconds: milliseconds) { _ in gap }
        }

        /// - Parameter gap: cycles between two events, by the nanoseconds for which the loop looked away.
        mutating func send(events: Int, milliseconds: UInt64, gap: (Int) -> UInt64) {
            let end = cycles + milliseconds * ArrivalMeterTests.millisecond
            while cycles < end {
                let gap = gap(meter.gatheringTime)
                for _ in 0..<events {
                    meter.count(&lastEvents[next])
                    next = (next + 1) % lastEvents.count
                }
                cycles += gap * UInt64(events)
                meter.turn(events: events, cycles: cycles, millisecond: ArrivalMeterTests.millisecond)
            }
        }
    }

    private func gathers(clients: Int, events: Int, gap: UInt64) -> Bool {
        var crowd = Crowd(clients: clients)
        crowd.send(events: events, gap: gap, milliseconds: 50)
        return crowd.meter.gathers
    }

    @Test func manyFastClientsAreLetGather() {
        #expect(gathers(clients: 50, events: 3, gap: 10_000))
        #expect(gathers(clients: 20, events: 1, gap: 30_000))
    }

    @Test func fewOrSlowOnesAreAnsweredAtOnce() {
        #expect(!gathers(clients: 6, events: 3, gap: 10_000))
        #expect(!gathers(clients: 1, events: 1, gap: 1000))
        #expect(!gathers(clients: 50, events: 3, gap: 60_000))
    }

    @Test func whereManyAreFoundAtOnceThereIsNothingToGain() {
        #expect(!gathers(clients: 50, events: 8, gap: 10_000) && gathers(clients: 50, events: 7, gap: 10_000))
    }

    /// Clients that wait for their replies send less if the loop looks away for too long. It does so for the longest time that makes no
    /// difference, and follows when that changes.
    @Test func noFewerRequestsCome() {
        var crowd = Crowd(clients: 50)
        crowd.send(events: 3, milliseconds: 200) { _ in 10_000 }
        #expect(crowd.meter.gatheringTime == 100_000)
        crowd.send(events: 3, milliseconds: 2000) { $0 > 50_000 ? 11_000 : 10_000 }
        #expect(crowd.meter.gatheringTime == 50_000)
        crowd.send(events: 3, milliseconds: 2000) { $0 > 0 ? 12_000 : 10_000 }
        #expect(crowd.meter.gatheringTime == 0)
        crowd.send(events: 3, milliseconds: 2000) { $0 > 0 ? 9900 : 10_000 }
        #expect(crowd.meter.gatheringTime == 100_000)
    }

    /// What is tried out takes a small part of the time.
    @Test func littleIsTriedOut() {
        var crowd = Crowd(clients: 50)
        var (away, all) = (0, 0)
        crowd.send(events: 3, milliseconds: 3000) {
            all += 1
            if $0 > 0 { away += 1 }
            return $0 > 0 ? 20_000 : 10_000
        }
        #expect(away > 0 && away < all / 20)
    }

    /// Turns without events change nothing; when the clients become slow, it ends.
    @Test func itFollowsWhatClientsDo() {
        var crowd = Crowd(clients: 50)
        #expect(!crowd.meter.gathers)
        crowd.send(events: 3, gap: 10_000)
        crowd.meter.turn(events: 0, cycles: UInt64.max / 2, millisecond: Self.millisecond)
        #expect(crowd.meter.gathers)
        crowd.send(events: 3, gap: 200_000)
        #expect(!crowd.meter.gathers)
    }
}
