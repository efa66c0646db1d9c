// Counts what containers do, so that tests can tell that an operation does not take longer the more there is: without a clock, and without
// cost in a release build. Each thread has a count of its own, as tests run side by side.

import Glibc

enum StepCount {
    #if DEBUG
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let error = unsafe pthread_key_create(&key, nil)
        precondition(error == 0, "no key for a thread's count")
        return key
    }()

    /// The steps of this thread up to now.
    static var ofThread: Int {
        get { unsafe Int(bitPattern: pthread_getspecific(key)) }
        set { unsafe _ = pthread_setspecific(key, UnsafeRawPointer(bitPattern: newValue)) }
    }

    /// How many steps `body` takes.
    static func of<Result>(_ body: () throws -> Result) rethrows -> Int {
        let before = ofThread
        _ = try body()
        return ofThread - before
    }
    #endif

    /// Takes note of something whose number is what an operation costs: a node that is reached, a number that is looked at, an element
    /// that is moved.
    @inline(__always)
    static func step(_ steps: Int = 1) {
        #if DEBUG
        ofThread += steps
        #endif
    }
}
