// Counts what a structure does, so that tests can tell that an operation does not take longer the more there is: without a clock, and
// without cost where nobody counts.

final class StepCounter {
    #if DEBUG
    private(set) var count = 0
    #endif

    @inline(__always)
    func step(_ steps: Int = 1) {
        #if DEBUG
        count += steps
        #endif
    }
}
