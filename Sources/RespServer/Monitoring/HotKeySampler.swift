// Which requests are samples for the hot keys, and what has been found from them.

import RespCodec
import StoreEngine

final class HotKeySampler {
    /// When sampling ends by itself.
    let timer: LoopTimer
    /// What is being found, or was found last.
    var found: HotKeys?
    private(set) var isSampling = false
    /// How many requests there are up to the next sample.
    private var distance = HotKeys.never

    init(_ timers: LoopTimers) { timer = timers.add() }

    /// Whether every request is a sample.
    var samplesAll: Bool { isSampling && found?.options.ratio == 1 }

    /// To be called when sampling has begun or ended.
    func follow() {
        isSampling = found?.isActive == true
        distance = HotKeys.never
        drawDistance()
    }

    private func drawDistance() { if isSampling, let next = found?.drawDistance() { distance = next } }

    /// How many requests are read at once: a sample is a batch of its own, so that only it takes the slow path.
    @inline(__always)
    var batchLimit: Int {
        distance > RequestReader.batchCapacity ? RequestReader.batchCapacity : max(1, distance - 1)
    }

    /// Whether there is a sample among `count` requests that are about to run; else they are counted.
    @inline(__always)
    func reachesSample(_ count: Int) -> Bool {
        // While nothing is sampled the next sample is so far away that nobody comes to it.
        guard distance > count else { return true }
        distance &-= count
        return false
    }

    /// Requests that were counted have not run.
    @inline(__always)
    func takeBack(_ count: Int) { distance &+= count }

    /// Looks at a request that has run, if it is the sample.
    func take(_ call: Call, cycles: UInt64, replyByteCount: Int, _ hash: (ByteSlice) -> UInt64) {
        distance -= 1
        guard distance <= 0 else { return }
        drawDistance()
        found?.add(
            cycles: Int(clamping: cycles), bytes: call.arguments.requestByteCount + replyByteCount,
            to: call.arguments, call.command.keys, hash)
    }
}
