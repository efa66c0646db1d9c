// Active defragmentation: when it runs, and how much of the time it gets.
//
// While `activedefrag` is on, upkeep compares the part of the allocator's pages that is not in use with `active-defrag-ignore-bytes` and
// `active-defrag-threshold-lower`. Above both a pass of the engine begins (`StoreEngine/Defragmentation`), and goes on a quarter of a millisecond
// or, where it gets much of the time, half of one at a time, in turns of a timer. How far apart these are follows from the percentage
// of the time that it gets: `active-defrag-cycle-min` at the lower threshold, `active-defrag-cycle-max` at the upper one, and in
// proportion between them. Within a pass that never becomes less. After a pass that was of little use it rests for a while: what is
// left are blocks that do not move, or pages that are not worth it.
//
// With `maxmemory` a pass also begins where that is off: when keys of all pages were evicted, their room is of no use to a value of another
// size, and the system would count much more than is allowed. Then it gets most of the time, for a large value waits for it. Where more
// and more is held in spite of that, who needs room has it go on at once.

import CLinux
import StoreEngine

final class DefragmentationSchedule {
    /// How many percent of the time it gets; 0 while it does not run.
    private(set) var share = 0
    /// No pass begins before this time.
    private var restEnd: Int64 = 0
    /// Bytes of pages when the pass began, and of those that passes had made free until then.
    private var heldBytesAtStart = 0
    private var defragmentedBytesAtStart = 0
    /// How much of the pages was not in use when the last pass was over that gained little, or since then at its least.
    private var bytesLeft = 0
    /// Since when there is something to do, and for how long there was before, in milliseconds.
    private var start: Int64?
    private var earlier: Int64 = 0

    private let engine: Engine
    private let configuration: Configuration
    private let persistence: Persistence
    private let clock: TurnClock
    private let observer: CommandObserver
    /// When the pass goes on.
    private let timer: LoopTimer
    private var now: Int64 { engine.now }

    /// Steps of the engine between two looks at the clock: some tens of microseconds.
    private static let stepsOfLook = 1000
    /// Shorter passes than this part of the pages are of little use.
    private static let leastGain = 50
    private static let restMilliseconds: Int64 = 10_000
    /// What a pass has left is forgotten by this part of what was gained since: each class of blocks gives up a page, and needs it again.
    private static let partForgotten = 4
    /// And ten times a second by this part of itself, so that it is tried again whether it could be gained: after some ten seconds.
    private static let partOfTenth = 500
    private static let restDuringSnapshot: Int64 = 100
    private static let shareUnderPressure = 90

    init(
        _ engine: Engine, _ configuration: Configuration, _ persistence: Persistence, _ clock: TurnClock,
        _ observer: CommandObserver, _ timers: LoopTimers
    ) {
        self.engine = engine
        self.configuration = configuration
        self.persistence = persistence
        self.clock = clock
        self.observer = observer
        timer = timers.add()
        timer.action = { [unowned self] in goOn() }
    }

    // MARK: for how long there has been something to do

    private func follow(isExcessive: Bool) {
        if isExcessive {
            start = start ?? now
        } else if let since = start {
            earlier += max(0, now - since)
            start = nil
        }
    }

    var currentMilliseconds: Int64 { start.map { max(0, now - $0) } ?? 0 }
    var totalMilliseconds: Int64 { earlier + currentMilliseconds }

    func resetStatistics() {
        earlier = 0
        if start != nil { start = now }
    }

    // MARK: passes

    /// Begins a pass if there is much to gain. To be called while defragmentation is on, or was.
    func follow() {
        let settings = configuration.settings
        let (bytes, percent) = engine.fragmentation
        let isExcessive =
            settings.activeDefragmentation && bytes >= settings.defragmentationIgnoredBytes
            && percent >= settings.defragmentationLowerThreshold
        follow(isExcessive: isExcessive)
        bytesLeft -= max(0, bytesLeft - bytes) / Self.partForgotten
        let isUnderPressure = engine.holdsTooMuch && bytes > lastingBytes(of: bytes)
        if !settings.activeDefragmentation && !engine.isMemoryLimited { engine.endDefragmentation() }
        if !engine.isDefragmenting {
            share = 0
            // The clock may have been put back.
            let rests = now < restEnd && restEnd - now <= Self.restMilliseconds
            guard isExcessive && !rests || isUnderPressure, isAllowed else { return }
            engine.beginDefragmentation()
            heldBytesAtStart = engine.heldBytes
            defragmentedBytesAtStart = engine.defragmentedBytes
            timer.set(for: now)
        }
        let wanted = isUnderPressure ? Self.shareUnderPressure : share(ofFragmentation: percent)
        share = max(share, wanted)
    }

    /// To be called while memory is limited, when much may have been taken or freed: sees to it that the system does not count much more than
    /// is in use.
    func relieveMemory() {
        guard engine.holdsTooMuch else { return }
        engine.giveBackSomePages()
        follow()
    }

    /// How much of the bytes of pages that are not in use stay so for now: no pass begins for them, or they are left by one.
    private func lastingBytes(of bytes: Int) -> Int {
        guard isAllowed else { return bytes }
        return min(bytes, max(bytesLeft, engine.unavoidableFragmentation) + engine.usedBytes / Self.leastGain)
    }

    /// To be called ten times a second.
    func forget() { bytesLeft -= bytesLeft / Self.partOfTenth }

    /// Goes on with a pass that is under way for so many cycles, in the midst of a turn.
    /// - Returns: whether there was one.
    func hurry(_ cycles: UInt64) -> Bool {
        guard engine.isDefragmenting, isAllowed, !engine.movesAllBlocks else { return false }
        _ = work(cycles)
        return true
    }

    private func share(ofFragmentation percent: Int) -> Int {
        let settings = configuration.settings
        let (lower, upper) = (settings.defragmentationLowerThreshold, settings.defragmentationUpperThreshold)
        let (least, most) = (settings.defragmentationLeastShare, settings.defragmentationMostShare)
        guard percent < upper, upper > lower else { return max(least, most) }
        let part = Double(max(percent - lower, 0)) / Double(upper - lower)
        return max(least, least + Int(part * Double(most - least)))
    }

    /// A setting has changed: what was of little use before may be worth it now.
    func settingsChanged() {
        restEnd = 0
        follow()
    }

    /// Goes on with the pass for a bounded time.
    private func goOn() {
        guard engine.isDefragmenting || engine.movesAllBlocks else { return }
        guard isAllowed else { return timer.set(for: now + Self.restDuringSnapshot) }
        if engine.movesAllBlocks { return moveAllBlocks() }
        let percent = max(share, 1)
        let taken = work(clock.millisecond / (percent < 50 ? 4 : 2))
        observer.observe(.defragmentationCycle, cycles: taken)
        guard engine.isDefragmenting else { return }
        let rest = Double(taken) / Double(clock.millisecond) * Double(100 - percent) / Double(percent)
        timer.set(for: now + Int64(rest.rounded(.up)))
    }

    /// Goes on with the pass until it is over, or for so many cycles, and returns how many it took.
    private func work(_ cycles: UInt64) -> UInt64 {
        let start = clinux_cycle_counter()
        var isOver = false
        repeat {
            isOver = engine.defragment(steps: Self.stepsOfLook)
        } while !isOver && clinux_cycle_counter() &- start < cycles
        if isOver { passIsOver() }
        return clinux_cycle_counter() &- start
    }

    private func passIsOver() {
        share = 0
        // What was written meanwhile has left new sparse pages: after a pass that gained much there is more to gain.
        let gained = engine.defragmentedBytes - defragmentedBytesAtStart
        guard gained < heldBytesAtStart / Self.leastGain else { return }
        bytesLeft = engine.fragmentation.bytes
        restEnd = now + Self.restMilliseconds
    }

    /// Not while a snapshot is written or something is loaded.
    var isAllowed: Bool { engine.mayDefragment && persistence.loading == nil }

    /// Whether blocks are moved all the time, wherever they lie: for tests.
    var movesAllBlocks: Bool {
        get { engine.movesAllBlocks }
        set {
            engine.endDefragmentation()
            engine.movesAllBlocks = newValue
            timer.set(for: newValue ? now : nil)
        }
    }

    /// Moves some blocks, in every turn.
    private func moveAllBlocks() {
        if engine.defragment(steps: Self.stepsOfLook) { engine.beginDefragmentation() }
        timer.set(for: now)
    }
}
