// Iterating over the entries of a stream.

import RespCodec

/// An iterator over entries of a stream, forwards or backwards. The stream must not change meanwhile.
struct StreamEntries {
    private var place: IDTree.Place?
    private let low: StreamID
    private let high: StreamID
    private let backwards: Bool
    /// The offset of the next entry in the node; backwards, that of the last one.
    private var offset = 0
    private var masterFields = 0
    private var masterOffset = 0
    private(set) var node: StreamNode?

    init(
        _ nodes: IDTree, firstID: StreamID, headOffset: Int, from low: StreamID, to high: StreamID, backwards: Bool
    ) {
        self.low = low
        self.high = high
        self.backwards = backwards
        guard low <= high else { return }
        if backwards {
            enter(high == .maximum ? nodes.last : nodes.place(atOrBefore: high))
        } else {
            let start = low <= firstID ? nodes.first : nodes.place(atOrBefore: low) ?? nodes.first
            enter(start)
            if headOffset > 0, let start, start.previous == nil { offset = headOffset }
        }
    }

    private mutating func enter(_ place: IDTree.Place?) {
        self.place = place
        guard let place else {
            node = nil
            return
        }
        let node = StreamValue.node(at: place)
        (masterFields, masterOffset) = node.master
        offset = backwards ? node.list.end : node.firstEntry
        self.node = node
    }

    /// The next entry that is not deleted; nil after the last.
    mutating func next() -> StreamNode.Entry? { backwards ? nextBackwards() : nextForwards() }

    private mutating func nextForwards() -> StreamNode.Entry? {
        while let node {
            guard offset < node.list.end else {
                enter(place?.next)
                continue
            }
            let entry = node.entry(at: offset, masterFields: masterFields)
            guard entry.id <= high else { break }
            offset = node.next(after: entry)
            if !entry.isDeleted && entry.id >= low { return entry }
        }
        enter(nil)
        return nil
    }

    private mutating func nextBackwards() -> StreamNode.Entry? {
        while let node {
            guard let start = node.previous(before: offset) else {
                enter(place?.previous)
                continue
            }
            let entry = node.entry(at: start, masterFields: masterFields)
            guard entry.id >= low else { break }
            offset = start
            if !entry.isDeleted && entry.id <= high { return entry }
        }
        enter(nil)
        return nil
    }

    /// Calls `body` with each field and value of the entry that `next` has returned.
    @inline(__always)
    func forEachField(of entry: StreamNode.Entry, _ body: (PackedElement, PackedElement) -> Void) {
        node?.forEachField(of: entry, masterOffset: masterOffset, body)
    }
}

extension StreamNode {
    /// Calls `body` with each field and value of an entry.
    /// - Parameter masterOffset: the offset of the master entry's first field.
    @inline(__always)
    func forEachField(of entry: Entry, masterOffset: Int, _ body: (PackedElement, PackedElement) -> Void) {
        var field = entry.hasSameFields ? masterOffset : entry.content
        var value = entry.hasSameFields ? entry.content : 0
        for _ in 0..<entry.fieldCount {
            if entry.hasSameFields {
                body(list[field], list[value])
                field = list.next(after: field)
                value = list.next(after: value)
            } else {
                value = list.next(after: field)
                body(list[field], list[value])
                field = list.next(after: value)
            }
        }
    }
}
