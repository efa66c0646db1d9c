// What can be set of the engine while it runs.

/// Settings of the engine that can change while it runs.
public struct EngineSettings: Sendable {
    /// A hash with more fields than this becomes a table.
    public var hashMaxPackedEntries = 512
    /// A hash with a field or value longer than this, in bytes, becomes a table.
    public var hashMaxPackedValue = 64
    /// A set of integers with more members than this is no longer kept as a sorted array.
    public var setMaxIntsetEntries = 512
    /// A set with more members than this becomes a table.
    public var setMaxPackedEntries = 128
    /// A set with a member longer than this, in bytes, becomes a table.
    public var setMaxPackedValue = 64
    /// A sorted set with more members than this becomes a tree.
    public var sortedSetMaxPackedEntries = 128
    /// A sorted set with a member longer than this, in bytes, becomes a tree.
    public var sortedSetMaxPackedValue = 64
    /// How large a listpack of a list may be: as many elements if positive; -1 to -5 stand for 4, 8, 16, 32 and 64 KiB.
    public var listMaxPackedSize = -2
    /// How many nodes at each end of a list are not compressed; 0 for all.
    public var listCompressDepth = 0
    /// From how many bytes on an element of a large list gets a node of its own, and is kept there as it is.
    public var listPlainElementSize = EngineSettings.unsetPlainElementSize
    public static let unsetPlainElementSize = 1 << 30
    /// Bytes of a stream's node; 0 for no limit.
    public var streamNodeMaxBytes = 4096
    /// Entries of a stream's node; 0 for no limit.
    public var streamNodeMaxEntries = 100
    /// Bytes up to which a HyperLogLog stays sparse.
    public var hyperLogLogSparseMaxBytes = 3000
    /// Bytes of the longest string.
    public var maximumStringLength = 512 * 1024 * 1024
    /// Whether strings of snapshots and of DUMP are compressed.
    public var compressesRecords = true
    /// Whether the checksums of what RESTORE is given are compared; else any will do, which is for tests.
    public var comparesChecksums = true
    public var frequencyLogFactor = 10
    public var frequencyDecayMinutes = 1
    /// Which keys go when there is no more room.
    public var evictionOrder = EvictionOrder.none
    /// Whether only keys that have deadlines may go.
    public var evictsOnlyVolatileKeys = false
    /// How many keys are looked at to evict one.
    public var evictionSamples = 5

    public init() {}

    /// Bytes of the longest string that may come out of a compressed one, even where none so long may be set any more.
    var longestRestoredString: Int { max(maximumStringLength, 512 * 1024 * 1024) }
}
