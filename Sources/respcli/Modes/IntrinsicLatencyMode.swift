// `--intrinsic-latency`: runs a short computation again and again and shows the longest time that one took: how long the system keeps a
// program waiting that never waits by itself.

import RespCodec

struct IntrinsicLatencyMode {
    private let session: Session

    init(_ session: Session) { self.session = session }

    func run() -> CInt {
        Interrupts.cancelLoops()
        let length = session.options.intrinsicLatencySeconds * 1_000_000
        let end = Clock.microseconds + length
        var runs = 0
        var maximum = 0
        var state: UInt64 = 1
        while true {
            let before = Clock.microseconds
            state = Self.compute(state)
            let after = Clock.microseconds
            runs += 1
            // A run that took no measurable time says nothing.
            guard after > before else { continue }
            if after - before > maximum {
                maximum = after - before
                session.show("Max latency so far: \(maximum) microseconds.\n", nil)
            }
            guard Interrupts.isCancelled || after > end else { continue }
            let average = Double(length) / Double(runs)
            session.show(
                "\n\(runs) total runs (avg latency: \(Text.format("%.4f", average)) microseconds / "
                    + "\(Text.format("%.2f", average * 1000)) nanoseconds per run).\n"
                    + "Worst run took \(Text.format("%.0f", Double(maximum) / average))x longer than the average latency.\n",
                nil)
            // So that the computation has a use, and is done.
            return state == 0 ? 1 : 0
        }
    }

    /// A thousand steps that depend on each other. Never 0.
    @inline(never)
    private static func compute(_ state: UInt64) -> UInt64 {
        var state = state
        for _ in 0..<1000 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
        }
        return state
    }
}
