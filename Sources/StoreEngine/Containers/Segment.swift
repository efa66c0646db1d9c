// A segment of the table: a header and up to 64 buckets of 8 slots, in one block. See SegmentedTable.swift for what it means.

import Glibc

/// A segment's memory: a header and buckets.
@safe struct Segment: Equatable {
    static let slotsPerBucket = 8
    static let bucketSize = 64
    static let maximumBuckets = 64
    static let tagBits: UInt64 = 15

    let address: UnsafeMutableRawPointer

    @unsafe struct Header {
        var bucketCount: Int32
        var used: Int32
        var depth: Int32
        /// Place in the heap of deadlines, or -1.
        var heapIndex: Int32
        /// The directory bits, at the top of the word.
        var prefix: UInt64
        var earliest: Int64
        var bucketEarliest: UnsafeMutablePointer<Int64>?
    }

    @inline(__always) var header: UnsafeMutablePointer<Header> {
        unsafe address.assumingMemoryBound(to: Header.self)
    }
    @inline(__always) func bucket(_ index: Int) -> UnsafeMutablePointer<UInt64> {
        unsafe (address + (index &+ 1) &* Segment.bucketSize).assumingMemoryBound(to: UInt64.self)
    }
    @inline(__always) var bucketCount: Int { unsafe Int(header.pointee.bucketCount) }
    @inline(__always) var used: Int { unsafe Int(header.pointee.used) }
    @inline(__always) func home(_ tag: UInt64) -> Int {
        unsafe Int(truncatingIfNeeded: (tag &* UInt64(truncatingIfNeeded: header.pointee.bucketCount)) &>> Segment.tagBits)
    }
    /// The earliest deadline inside, or a bound before it.
    var earliest: Int64 {
        get { unsafe header.pointee.earliest }
        nonmutating set { unsafe header.pointee.earliest = newValue }
    }
    var heapIndex: Int {
        get { unsafe Int(header.pointee.heapIndex) }
        nonmutating set { unsafe header.pointee.heapIndex = Int32(newValue) }
    }
    static func == (left: Segment, right: Segment) -> Bool { unsafe left.address == right.address }
}

/// The bits of a slot.
enum SlotWord {
    static let pointerMask: UInt64 = (1 << 48) - 1
    static let tagMask: UInt64 = 0x7FFF << 48
    static let deadlineBit: UInt64 = 1 << 63
    @inline(__always) static func tag(_ word: UInt64) -> UInt64 { (word & tagMask) &>> 48 }
    @inline(__always) static func entry(_ word: UInt64) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(word & pointerMask))!
    }
}

/// Where an entry stands. Good until the next insertion or removal.
@safe struct Slot {
    let segment: Segment
    let bucket: Int
    let word: UnsafeMutablePointer<UInt64>

    @inline(__always) var entry: UnsafeMutableRawPointer { unsafe SlotWord.entry(word.pointee) }
    @inline(__always) var hasDeadline: Bool { unsafe word.pointee & SlotWord.deadlineBit != 0 }
}
