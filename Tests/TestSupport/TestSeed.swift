// The seed of the random tests, which can be given from outside: TEST_SEED=<number> swift test.

import Glibc

public enum TestSeed {
    private static let given = getenv("TEST_SEED").flatMap { UInt64(String(cString: $0)) }

    /// The seed of this run: TEST_SEED, or else another one in each run. It is printed when it is first used, so that a run that fails can be
    /// repeated.
    public static let ofRun: UInt64 = {
        let seed = given ?? UInt64.random(in: 1...1_000_000_000)
        print("TEST_SEED=\(seed) repeats the random tests of this run")
        fflush(nil)
        return seed
    }()

    /// The seed of a test that has one of its own, which is the same in each run unless TEST_SEED is set; that is added then.
    public static func fixed(_ number: UInt64) -> UInt64 { given.map { $0 &+ number } ?? number }
}
