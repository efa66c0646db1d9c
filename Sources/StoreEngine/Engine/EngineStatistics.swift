// What the engine counts.

/// Counters of the engine, since the start or the last reset.
public struct EngineStatistics: Sendable {
    public var keyspaceHits = 0
    public var keyspaceMisses = 0
    public var expiredKeys = 0
    /// Fields of hashes.
    public var expiredFields = 0
    /// Keys that went to make room.
    public var evictedKeys = 0
    /// Of the deadlines met by the active cycle: the longest time any came late, in milliseconds.
    public var expireLagMilliseconds: Int64 = 0

    public init() {}
}
