// Trimming a stream from its beginning, and deleting entries that groups have not read or acknowledged.

extension StreamValue {
    // MARK: trimming

    /// What trimming keeps of a stream.
    enum Threshold {
        /// Up to this many entries.
        case length(Int)
        /// Entries of this id and greater ones.
        case id(StreamID)
    }

    /// Deletes entries from the first on, and returns how many.
    /// - Parameters:
    ///   - approximately: whether only whole nodes are deleted.
    ///   - most: about how many are deleted at most; 0 for no limit.
    ///   - references: what to do with entries that groups have pending.
    /// - Complexity: O(nodes deleted), plus O(entries of a node) unless approximately; O(entries deleted) unless `references` is
    ///   `keep`.
    func trim(to threshold: Threshold, approximately: Bool, most: Int, references: References = .keep) -> Int {
        if references != .keep && groupCount > 0 {
            return trimByEntry(to: threshold, approximately: approximately, most: most, references)
        }
        let before = length
        while let place = nodes.first {
            if case .length(let maximum) = threshold, length <= maximum { break }
            let node = Self.node(at: place)
            let live = node.liveCount
            if most > 0 && before - length + live > most { break }
            if goesWhole(node, live, threshold) {
                length -= live
                removeNode(place.id)
                continue
            }
            if !approximately { trimFirstNode(place, to: threshold) }
            break
        }
        if length != before { updateFirst() }
        return before - length
    }

    private func goesWhole(_ node: StreamNode, _ live: Int, _ threshold: Threshold) -> Bool {
        switch threshold {
        case .length(let maximum): length - live >= maximum
        case .id(let minimum): node.lastID < minimum
        }
    }

    /// Marks the first entries of the first node as deleted, but not all of them.
    private func trimFirstNode(_ place: IDTree.Place, to threshold: Threshold) {
        let node = Self.node(at: place)
        let fields = node.master.fields
        var offset = headOffset > 0 ? headOffset : node.firstEntry
        var deleted = 0
        while offset < node.list.end {
            let entry = node.entry(at: offset, masterFields: fields)
            switch threshold {
            case .length(let maximum) where length - deleted > maximum: break
            case .id(let minimum) where entry.id < minimum: break
            default: return finish()
            }
            if !entry.isDeleted {
                if deleted == 0 { willChange(place) }
                node.markDeleted(entry)
                deleted += 1
            }
            offset = node.next(after: entry)
        }
        finish()

        func finish() {
            guard deleted > 0 else { return }
            headOffset = offset
            if !updateCounts(place, deleted: deleted) { removeNode(place.id) }
        }
    }

    // MARK: references of groups

    /// What to do with an entry to be deleted that groups have pending or have not read.
    enum References {
        /// Delete it; it stays pending.
        case keep
        /// Delete it, and its pending entries.
        case delete
        /// Delete it only if all groups have read and acknowledged it.
        case acknowledged
    }

    /// Whether a group has an entry pending, or has not read it yet.
    /// - Complexity: O(groups).
    func isReferenced(_ id: StreamID) -> Bool {
        for index in 0..<groupCount {
            let group = group(at: index)
            if group.lastID < id || group.pendingEntry(id) != nil { return true }
        }
        return false
    }

    /// Removes an entry from the pending entries of all groups; false if it was in none.
    @discardableResult
    func removeReferences(to id: StreamID) -> Bool {
        var removed = false
        forEachGroup { if $0.removePending(id) { removed = true } }
        return removed
    }

    private func trimByEntry(
        to threshold: Threshold, approximately: Bool, most: Int, _ references: References
    ) -> Int {
        let before = length
        var examined = 0
        var next = nodes.first
        while let place = next {
            if case .length(let maximum) = threshold, length <= maximum { break }
            let node = Self.node(at: place)
            let live = node.liveCount
            // Entries that stay count too, or each call would visit all entries that are not acknowledged.
            if most > 0 && examined + live > most { break }
            examined += live
            if approximately && !goesWhole(node, live, threshold) { break }
            let id = place.id
            let fields = node.master.fields
            var deleted = 0
            var isOver = false
            var offset = node.firstEntry
            while offset < node.list.end {
                let entry = node.entry(at: offset, masterFields: fields)
                switch threshold {
                case .length(let maximum): isOver = length - deleted <= maximum
                case .id(let minimum): isOver = entry.id >= minimum
                }
                if isOver { break }
                if !entry.isDeleted && (references == .delete || !isReferenced(entry.id)) {
                    if references == .delete { removeReferences(to: entry.id) }
                    if deleted == 0 { willChange(place) }
                    node.markDeleted(entry)
                    deleted += 1
                }
                offset = node.next(after: entry)
            }
            if deleted > 0 {
                headOffset = 0
                if !updateCounts(place, deleted: deleted) { removeNode(id) }
            }
            if isOver { break }
            next = id.successor.flatMap { nodes.place(atOrAfter: $0) }
        }
        if length != before { updateFirst() }
        return before - length
    }
}
