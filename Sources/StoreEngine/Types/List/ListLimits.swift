// Up to where a list stays packed, and how large the nodes of a large one are.
//
// Both follow `list-max-listpack-size`: a count of elements if it is positive (0 counts as 1), a class of sizes if it
// is negative. The conversions use Redis's numbers as they are. The nodes hold a little less, so that their blocks fill
// the allocator's pages.
//
// Source: Redis, redis.conf, "list-max-listpack-size" and "list-compress-depth".

struct ListLimits {
    /// The setting, as it was given.
    let packedSize: Int
    /// How many nodes at each end of a large list are not compressed; 0 for all.
    let compressDepth: Int
    /// From how many bytes on an element of a large list is kept in a plain node; the greatest when that is not set.
    private let plainElementSetting: Int

    @inline(__always)
    init(_ settings: EngineSettings) {
        packedSize = settings.listMaxPackedSize
        compressDepth = settings.listCompressDepth
        plainElementSetting = settings.listPlainElementSize
    }

    /// From how many bytes on an element of a large list is kept in a plain node. If nothing else is set that is when it alone is too
    /// large for a packed list; only where nodes are compressed such a node is packed, too, for plain ones are not compressed.
    var plainElementSize: Int {
        guard plainElementSetting == EngineSettings.unsetPlainElementSize, compressDepth == 0 else {
            return plainElementSetting
        }
        return (packedSize < 0 ? Self.size(class: packedSize) : Self.safeSize) + 1
    }

    /// However many elements it may have, a list has no more bytes than this when only their count is limited.
    private static let safeSize = 8192
    /// More elements than the count of a node can tell are never put in one.
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

    /// Whether a list of so many bytes and elements is too large to be packed in its entry.
    @inline(__always)
    func isExceeded(bytes: Int, count: Int) -> Bool {
        if packedSize < 0 { return bytes > Self.size(class: packedSize) }
        return bytes > Self.safeSize || count > max(packedSize, 1)
    }

    /// Whether a large list that shrinks to so many bytes and elements becomes a packed one: at half of the limit, so
    /// that a list about as large as the limit is not converted back and forth.
    func isFarFromExceeded(bytes: Int, count: Int) -> Bool {
        if packedSize < 0 { return bytes <= Self.size(class: packedSize) / 2 }
        return count <= max(packedSize, 1) / 2
    }

    /// Bytes of a node's list: no more than a block of which as many fit a page as would in Redis's size.
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

    /// Elements of a node.
    var nodeCount: Int { packedSize < 0 ? Self.highestNodeCount : min(max(packedSize, 1), Self.highestNodeCount) }
}
