// Connecting, where finding the address takes long.

import CLinux
import Glibc
import Synchronization
import Testing

@testable import RespServer

@Suite(.serialized) struct TargetSocketTests {
    /// Finds nothing until it is told to go on.
    private final class StuckFinder: Sendable {
        let isAsked: EventSignal
        let goesOn: EventSignal
        let calls = Mutex(0)

        init() throws {
            isAsked = try EventSignal()
            goesOn = try EventSignal()
        }

        func find(isNumeric: Bool) -> [AddressLookup.Address] {
            if isNumeric { return [] }
            calls.withLock { $0 += 1 }
            isAsked.send()
            goesOn.wait()
            goesOn.send()
            return []
        }
    }

    private func connect(
        _ finder: StuckFinder, milliseconds: Int, _ signal: EventSignal, isInterrupted: () -> Bool = { false }
    ) -> TargetSocket.ConnectFailure? {
        do throws(TargetSocket.ConnectFailure) {
            close(
                try TargetSocket.connect(
                    host: Array("name".utf8), port: Array("1".utf8), milliseconds: milliseconds, signal: signal,
                    finder: { finder.find(isNumeric: $2) }, isInterrupted: isInterrupted))
            return nil
        } catch {
            return error
        }
    }

    @Test func aNameServerThatDoesNotAnswerIsNotWaitedForLonger() throws {
        let (finder, signal) = (try StuckFinder(), try EventSignal())
        #expect(connect(finder, milliseconds: 10, signal) == .timedOut)
        finder.goesOn.send()
        #expect(connect(finder, milliseconds: 60_000, signal) == .unreachable)
    }

    @Test func lookingForANameCanBeInterrupted() throws {
        let (finder, signal) = (try StuckFinder(), try EventSignal())
        signal.send()
        #expect(connect(finder, milliseconds: 60_000, signal) { true } == .interrupted)
        finder.goesOn.send()
    }

    @Test func lookupsHaveABound() throws {
        let (finder, signal) = (try StuckFinder(), try EventSignal())
        var failure: TargetSocket.ConnectFailure?
        var steps = 0
        while failure != .unreachable && steps <= AddressLookup.mostRunning {
            failure = connect(finder, milliseconds: 1, signal)
            steps += 1
        }
        #expect(failure == .unreachable && finder.calls.withLock { $0 } <= AddressLookup.mostRunning)
        finder.goesOn.send()
    }

    @Test func addressesNeedNoThread() {
        for host in ["127.0.0.1", "::1", "127.1"] {
            let addresses = AddressLookup.find(Array(host.utf8), 7, true)
            #expect(addresses.count == 1 && addresses == AddressLookup.find(Array(host.utf8), 7, false))
        }
        #expect(AddressLookup.find(Array("localhost".utf8), 7, true).isEmpty)
        #expect(!AddressLookup.find(Array("localhost".utf8), 7, false).isEmpty)
        #expect(AddressLookup.find([], 7, false).isEmpty)
        #expect(AddressLookup.find(Array(repeating: UInt8(ascii: "1"), count: 1025), 7, true).isEmpty)
    }
}
