/// The most memory that was in use.
struct MemoryPeak {
    private(set) var bytes = 0
    /// In seconds since 1970.
    private(set) var time = Int(Syscall.wallMicroseconds() / 1_000_000)

    /// - Parameter now: in milliseconds since 1970.
    mutating func follow(_ used: Int, now: Int64) {
        guard used > bytes else { return }
        bytes = used
        time = Int(now / 1000)
    }
}
