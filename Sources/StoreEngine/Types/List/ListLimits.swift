// The limits of a listpack, and of the nodes of a large one.
//
// Both follow `list-max-listpack-size`: a count of elements if it is positive (0 counts as 1), a class of sizes if it is
// negative. The limits of a listpack are exactly those of Redis. Nodes are a little smaller, so that their blocks fill
// the allocator's pages.
//
// Source: Redis, redis.conf, "list-max-listpack-size" and "list-compress-depth".

struct ListLimits {
    /// The setting.
    let packedSize: Int
    /// How many nodes at each end of a large list are not compressed; 0 for all.
    let compressDepth: Int
    /// The setting of DEBUG QUICKLIST-PACKED-THRESHOLD for `plainElementSize`; the largest integer if it is not set.
    private let plainElementSetting: Int

    @inline(__always)
    init(_ settings: EngineSettings) {
        packedSize = settings.listMaxPackedSize
        compressDepth = settings.listCompressDepth
        plainElementSetting = settings.listPlainElementSize
    }

    /// From how many bytes on an element of a large list gets a plain node. If not set, from where it exceeds the size of a listpack by
    /// itself; but if nodes are compressed there are no plain nodes, as these are not compressed.
    var plainElementSize: Int {
        guard plainElementSetting == EngineSettings.unsetPlainElementSize, compressDepth == 0 else {
            return plainElementSetting
        }
        return (packedSize < 0 ? Self.size(class: packedSize) : Self.safeSize) + 1
    }

    /// The limit on bytes if the setting limits the count of elements.
    private static let safeSize = 8192
    /// The most elements of a node that its count can hold.
    static let highestNodeCount = 32767

    private static func size(class number: Int) -> Int {
        switch number {
        case -1: 4096
        case -2: 8192
        case -3: 16384
        case -4: 32768
        default: 65536
        }
    }

    /// Whether a list of `bytes` bytes and `count` elements is too large to be packed in its entry.
    @inline(__always)
    func isExceeded(bytes: Int, count: Int) -> Bool {
        if packedSize < 0 { return bytes > Self.size(class: packedSize) }
        return bytes > Self.safeSize || count > max(packedSize, 1)
    }

    /// Whether a large list that has shrunk to `bytes` bytes and `count` elements becomes packed: at half of the limit, so
    /// that a list of about that size is not converted back and forth.
    func isFarFromExceeded(bytes: Int, count: Int) -> Bool {
        if packedSize < 0 { return bytes <= Self.size(class: packedSize) / 2 }
        return count <= max(packedSize, 1) / 2
    }

    /// The most bytes of a node's list: as many blocks of nodes fit a page as blocks of the size in the setting.
    var nodeSize: Int {
        guard packedSize < 0 else { return Self.blockSize(Self.safeSize) }
        return Self.blockSize(Self.size(class: packedSize))
    }

    private static func blockSize(_ size: Int) -> Int {
        switch size {
        case 4096: 4032
        case 8192: 8128
        case 16384: SlabAllocator.largestSmall
        default: size
        }
    }

    /// The most elements of a node.
    var nodeCount: Int { packedSize < 0 ? Self.highestNodeCount : min(max(packedSize, 1), Self.highestNodeCount) }
}
