// What a key must hold so that a command that waits for it can go on: looked at before the command is run again, so that nothing is run
// in vain, however many wait.

import RespCodec

/// What a key must hold. Needs are ordered: first by kind, then, where it makes sense, by how much they ask for.
public struct Need: Hashable, Comparable, Sendable {
    enum Content: Hashable, Sendable {
        /// A list with at least this many elements.
        case elements(Int)
        /// A sorted set.
        case members
        /// A stream with an entry behind an id.
        case entries(behind: StreamID)
        /// A stream with a group that has something to read, or to claim from others who have left it alone for so long; or no such
        /// group any more, which is answered with an error.
        case group([UInt8], claimIdle: Int64?)
    }

    let content: Content

    init(_ content: Content) { self.content = content }

    public enum Kind: Int, Sendable {
        case elements
        case members
        case entries
        case group
    }

    public var kind: Kind {
        switch content {
        case .elements: .elements
        case .members: .members
        case .entries: .entries
        case .group: .group
        }
    }

    /// Whether the wait ends, too, when the key goes away or gets a value of another type.
    public var endsWithKey: Bool { kind == .group }

    /// Whether only running the command can tell if it goes on, and when it is to be tried next.
    public var claims: Bool {
        if case .group(_, let idle) = content { idle != nil } else { false }
    }

    public static func < (left: Need, right: Need) -> Bool {
        switch (left.content, right.content) {
        case (.elements(let left), .elements(let right)): left < right
        case (.entries(let left), .entries(let right)): left < right
        case (.group(let left, let leftIdle), .group(let right, let rightIdle)):
            left == right ? (leftIdle ?? -1) < (rightIdle ?? -1) : left.lexicographicallyPrecedes(right)
        default: left.kind.rawValue < right.kind.rawValue
        }
    }
}

extension Engine {
    /// Whether a key holds what a command needs to go on, as far as that can be told without running it. Leaves no trace.
    ///
    /// Of two needs of one kind other than `.group`, the lesser is met wherever the greater is.
    public func meets(_ need: Need, at key: ByteSlice, database index: Int) -> Bool {
        let database = state.database(index)
        guard let slot = database.table.find(key, hash: state.hash(key)) else { return need.endsWithKey }
        let entry = database.entry(at: slot)
        if database.isExpired(entry, state.now) { return need.endsWithKey }
        switch need.content {
        case .elements(let count):
            guard entry.isType(.list) else { return false }
            return count <= 1 || ListValue(database, slot, limits: ListLimits(state.settings)).count >= count
        case .members: return entry.isType(.sortedSet)
        case .entries(let id):
            guard entry.isType(.stream) else { return false }
            return unsafe StreamValue(at: entry.pointer).hasEntry(behind: id)
        case .group(let name, let claimIdle):
            guard entry.isType(.stream) else { return true }
            let stream = unsafe StreamValue(at: entry.pointer)
            guard claimIdle == nil, let group = name.withByteSlice({ stream.group($0) }) else { return true }
            return stream.hasEntry(behind: group.lastID)
        }
    }
}
