// How the deadline of a key is written in its entry.
//
//     4 bytes   the lowest 32 bits of the deadline, in milliseconds since 1970; or `none`, or `far`
//     8 bytes   after `far`: the whole deadline
//
// Keys with deadlines are many and most deadlines near, so four bytes are enough to tell one from another: those of a window of 49 days
// that begins a day ago. The window moves on with the time (`Expiry.moveWindow`), and never past a deadline that is in a table. What lies
// outside it when it is written, and what has the bits of one of the two marks, is written whole.

import Glibc

/// The deadlines that four bytes tell apart: those of the 2^32 milliseconds from the start on.
struct DeadlineWindow {
    /// Milliseconds since 1970.
    private(set) var start: Int64

    /// For tables whose entries hold whole deadlines.
    static let unused = DeadlineWindow(start: 0)

    private static let length: UInt64 = 1 << 32
    /// How long the window begins before the time.
    private static let margin: Int64 = 24 * 60 * 60 * 1000
    /// By how much it moves at least.
    private static let leastStep: Int64 = 60 * 60 * 1000

    /// What four bytes hold where the key has no deadline any more.
    fileprivate static let none = UInt32.max - 1
    /// What they hold where the whole deadline follows.
    fileprivate static let far = UInt32.max

    private init(start: Int64) { self.start = start }

    /// The window of a time.
    init(at time: Int64) { start = time - Self.margin }

    /// Moves the window on with the time, though not past any deadline in use.
    /// - Parameter earliest: none of these lies before it; the last moment that can be counted if there are none.
    mutating func move(to time: Int64, earliest: Int64) {
        let (next, isOver) = min(time, earliest).subtractingReportingOverflow(Self.margin)
        if isOver { return }
        // Without deadlines it may also go back, after a clock that was ahead.
        if next - Self.leastStep > start || earliest == Int64.max && next < start { start = next }
    }

    /// Whether four bytes hold a deadline.
    @inline(__always) fileprivate func isNear(_ deadline: Int64) -> Bool {
        let low = UInt32(truncatingIfNeeded: deadline)
        return deadline >= start && UInt64(bitPattern: deadline &- start) < Self.length && low < Self.none
    }

    /// The deadline of the window with these lowest bits.
    @inline(__always) fileprivate func deadline(_ low: UInt32) -> Int64 {
        start &+ Int64(low &- UInt32(truncatingIfNeeded: start))
    }
}

/// A handle on the field of an entry that has a deadline.
@safe struct DeadlineField {
    private let address: UnsafeMutableRawPointer

    @unsafe @inline(__always) init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    private static let nearSize = 4
    private static let farSize = 12

    /// Bytes of a field that holds a deadline.
    @inline(__always) static func size(_ deadline: Int64, _ window: DeadlineWindow) -> Int {
        window.isNear(deadline) ? nearSize : farSize
    }

    @inline(__always) private var low: UInt32 {
        get { unsafe address.loadUnaligned(as: UInt32.self) }
        nonmutating set { unsafe address.storeBytes(of: newValue, as: UInt32.self) }
    }

    /// Bytes of the field.
    @inline(__always) var size: Int { low == DeadlineWindow.far ? Self.farSize : Self.nearSize }

    private var whole: Int64 {
        get { unsafe address.loadUnaligned(fromByteOffset: Self.nearSize, as: Int64.self) }
        nonmutating set { unsafe address.storeBytes(of: newValue, toByteOffset: Self.nearSize, as: Int64.self) }
    }

    /// What `whole` is where the key has no deadline any more.
    private static let noDeadline = Int64.min

    /// When the key expires, in milliseconds since 1970; nil if it has no deadline any more.
    @inline(__always) func deadline(_ window: DeadlineWindow) -> Int64? {
        let low = low
        if low < DeadlineWindow.none { return window.deadline(low) }
        return low == DeadlineWindow.far && whole != Self.noDeadline ? whole : nil
    }

    /// Writes a new field, of the size that it is said to have.
    @inline(__always) func write(_ deadline: Int64, _ window: DeadlineWindow) {
        if window.isNear(deadline) {
            low = UInt32(truncatingIfNeeded: deadline)
        } else {
            low = DeadlineWindow.far
            whole = deadline
        }
    }

    /// Writes another deadline, or none, if the field has room for it.
    func replace(_ deadline: Int64?, _ window: DeadlineWindow) -> Bool {
        if low == DeadlineWindow.far {
            whole = deadline ?? Self.noDeadline
            return true
        }
        guard let deadline else {
            low = DeadlineWindow.none
            return true
        }
        guard window.isNear(deadline) else { return false }
        low = UInt32(truncatingIfNeeded: deadline)
        return true
    }
}
