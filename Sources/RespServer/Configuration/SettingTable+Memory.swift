// The rows about memory: maxmemory and what is evicted, and defragmentation.

extension SettingTable {
    static let memory: [Setting] = [
        .integer("maxmemory", \.maxMemory, 0...Int.max, in: .memory, isUnsigned: true),
        .choice("maxmemory-policy", \.maxMemoryPolicy, [.engine]),
        .integer("maxmemory-samples", \.engine.evictionSamples, 1...64, [.engine]),
        .integer("maxmemory-eviction-tenacity", \.maxMemoryEvictionTenacity, 0...100),
        .integer("lfu-log-factor", \.engine.frequencyLogFactor, 0...largestInt32, [.engine]),
        .integer("lfu-decay-time", \.engine.frequencyDecayMinutes, 0...largestInt32, [.engine]),
        .boolean("activedefrag", \.activeDefragmentation),
        .integer(
            "active-defrag-ignore-bytes", \.defragmentationIgnoredBytes, 1...Int.max, in: .memory, isUnsigned: true),
        .integer("active-defrag-threshold-lower", \.defragmentationLowerThreshold, 0...1000),
        .integer("active-defrag-threshold-upper", \.defragmentationUpperThreshold, 0...1000),
        .integer("active-defrag-cycle-min", \.defragmentationLeastShare, 1...99),
        .integer("active-defrag-cycle-max", \.defragmentationMostShare, 1...99),
        // Every value is walked in slices, whatever the number of its fields.
        .integer("active-defrag-max-scan-fields", kept: 1000, 1...Int.max),
        .boolean("activerehashing", kept: true),
        .boolean("jemalloc-bg-thread", kept: true),
        .boolean("disable-thp", kept: true, [.immutable]).always(like: .boolean(false)),
    ]
}
