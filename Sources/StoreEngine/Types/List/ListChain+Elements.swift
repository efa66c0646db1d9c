// Elements of a large list that are not at its ends: visiting, inserting, replacing and removing them.

import RespCodec

extension ListChain {
    /// The largest size of a listpack that its head can hold.
    private static let largestList = Int(UInt32.max) - 64

    // MARK: visiting

    /// Calls `body` with the elements from number `index` on, or backwards, until it returns false.
    @inline(__always)
    func visit(from index: Int, backwards: Bool, _ body: (PackedElement) -> Bool) {
        guard index >= 0 && index < count else { return }
        var (node, start, _) = locate(index)
        while node.visit(from: start, backwards: backwards, body) {
            guard let next = backwards ? node.previous : node.next else { return }
            node = next
            start = backwards ? next.count - 1 : 0
        }
    }

    /// Looks at up to `limit` elements from the head, or from the tail if `backwards`, and calls `body` with the number
    /// of each that is `value`, counted from there, until it returns false.
    func forEachMatch(_ value: PackedValue, backwards: Bool, limit: Int, _ body: (Int) -> Bool) {
        var node = backwards ? tail : head
        var seen = 0
        while let current = node, seen < limit {
            let before = seen
            guard
                current.forEachMatch(value, backwards: backwards, limit: limit - seen, { body(before + $0) })
            else { return }
            seen += current.count
            node = backwards ? current.previous : current.next
        }
    }

    /// The first element from the head that is `value`: its node and its number there.
    func firstMatch(_ value: PackedValue) -> (node: ListNode, index: Int)? {
        var node = head
        while let current = node {
            var found: Int?
            _ = current.forEachMatch(value, backwards: false, limit: Int.max) {
                found = $0
                return false
            }
            if let found { return (current, found) }
            node = current.next
        }
        return nil
    }

    // MARK: inserting

    /// Inserts an element before or after element number `index` of `node`.
    func insert(_ value: PackedValue, nextTo index: Int, of node: ListNode, after: Bool, _ limits: ListLimits) {
        let length = value.encodedLength
        count += 1
        let isAtEdge = node.kind == .plain || index == (after ? node.count - 1 : 0)
        if allows(node, value, length: length, limits) {
            willChange(node)
            node.decompress(in: allocator)
            node.insert(value, at: after ? index + 1 : index, limit: maximumSize, in: allocator)
            return updateCompression(node)
        }
        let neighbour = after ? node.next : node.previous
        if isAtEdge, let neighbour, allows(neighbour, value, length: length, limits) {
            willChange(neighbour)
            neighbour.decompress(in: allocator)
            neighbour.push(value, length: length, at: after ? .head : .tail, limit: maximumSize, in: allocator)
            return updateCompression(neighbour)
        }
        if isAtEdge {
            let made = makeNode(value, at: after ? .tail : .head, limits)
            link(made, nextTo: node, after: after)
            updateCompression(node)
            return updateCompression(made)
        }
        node.decompress(in: allocator)
        let rest = split(node, at: after ? index + 1 : index)
        let part = after ? rest : node
        if value.bytes.count >= limits.plainElementSize || part.byteCount + length > Self.largestList {
            let made = makeNode(value, at: .tail, limits)
            link(made, nextTo: node, after: true)
            updateCompression(node)
            updateCompression(made)
            return updateCompression(rest)
        }
        part.push(value, length: length, at: after ? .head : .tail, limit: maximumSize, in: allocator)
        mergeAround(after ? node : rest)
    }

    /// Splits a node that is not compressed; the new one begins with element number `index` and follows the old one.
    private func split(_ node: ListNode, at index: Int) -> ListNode {
        willChange(node)
        let rest = node.split(at: index, in: allocator)
        link(rest, nextTo: node, after: true)
        return rest
    }

    // MARK: merging

    /// Merges nodes around `center` if two fit one: its two predecessors, its two successors, and itself with each
    /// neighbour.
    private func mergeAround(_ center: ListNode) {
        if let previous = center.previous, let before = previous.previous, fitTogether(before, previous) {
            updateCompression(merge(before, previous))
        }
        if let next = center.next, let beyond = next.next, fitTogether(next, beyond) {
            updateCompression(merge(next, beyond))
        }
        var center = center
        if let previous = center.previous, fitTogether(previous, center) { center = merge(previous, center) }
        if let next = center.next, fitTogether(center, next) { center = merge(center, next) }
        updateCompression(center)
        if let previous = center.previous { updateCompression(previous) }
        if let next = center.next { updateCompression(next) }
    }

    private func fitTogether(_ first: ListNode, _ second: ListNode) -> Bool {
        guard first.kind != .plain && second.kind != .plain else { return false }
        return first.byteCount + second.byteCount - Listpack.emptySize <= maximumSize
            && first.count + second.count <= maximumCount
    }

    /// Moves the elements of `second` to `first`, the node before it, and returns that.
    private func merge(_ first: ListNode, _ second: ListNode) -> ListNode {
        willChange(first)
        first.decompress(in: allocator)
        second.decompress(in: allocator)
        first.append(contentsOf: second, limit: maximumSize, in: allocator)
        remove(second)
        return first
    }

    // MARK: replacing

    /// Replaces element number `index`.
    func replace(at index: Int, with value: PackedValue, _ limits: ListLimits) {
        let (node, index, _) = locate(index)
        let isPlain = value.bytes.count >= limits.plainElementSize
        if node.kind == .plain {
            if isPlain {
                willChange(node)
                return node.replacePlain(with: value.bytes, in: allocator)
            }
            insert(value, nextTo: 0, of: node, after: true, limits)
            remove(node)
            count -= 1
            return updateCompression()
        }
        if !isPlain && node.byteCount + node.growth(at: index, with: value) <= Self.largestList {
            willChange(node)
            node.decompress(in: allocator)
            node.replace(at: index, with: value, limit: maximumSize, in: allocator)
            return updateCompression(node)
        }
        // The element gets a node of its own, between the elements before and after the old one.
        node.decompress(in: allocator)
        let made = makeNode(value, at: .tail, limits)
        if index < node.count - 1 { _ = split(node, at: index + 1) }
        link(made, nextTo: node, after: true)
        if node.count == 1 {
            remove(node)
            updateCompression()
            updateCompression(made)
            if let next = made.next { updateCompression(next) }
        } else {
            willChange(node)
            node.remove(at: node.count - 1, count: 1, in: allocator)
            mergeAround(made)
        }
    }

    // MARK: removing

    /// Removes `removed` elements from number `start` on. Whole nodes among them become a list of their own, which is
    /// returned for the caller to free, in slices if need be.
    /// - Complexity: O(nodes from the range's borders to the nearer ends of the list).
    func remove(from start: Int, count removed: Int) -> ListChain? {
        guard removed > 0 else { return nil }
        let (first, firstIndex, firstNode) = locate(start)
        let (last, lastIndex, lastNode) = locate(start + removed - 1)
        if first == last && removed < first.count {
            willChange(first)
            first.decompress(in: allocator)
            first.remove(at: firstIndex, count: removed, in: allocator)
            count -= removed
            updateCompression(first)
            return nil
        }
        var (firstNumber, lastNumber) = (firstNode, lastNode)
        var whole = removed
        var from: ListNode? = first
        var through: ListNode? = last
        var changed: (ListNode?, ListNode?) = (nil, nil)
        if firstIndex > 0 {
            let length = first.count - firstIndex
            willChange(first)
            first.decompress(in: allocator)
            first.remove(at: firstIndex, count: length, in: allocator)
            whole -= length
            count -= length
            from = first.next
            firstNumber += 1
            changed.0 = first
        }
        if lastIndex < last.count - 1 {
            willChange(last)
            last.decompress(in: allocator)
            last.remove(at: 0, count: lastIndex + 1, in: allocator)
            whole -= lastIndex + 1
            count -= lastIndex + 1
            through = last.previous
            lastNumber -= 1
            changed.1 = last
        }
        var rest: ListChain?
        if whole > 0, let from, let through {
            rest = cut(from, through: through, nodeCount: lastNumber - firstNumber + 1, count: whole)
        }
        updateCompression(changed.0)
        updateCompression(changed.1)
        return rest
    }

    /// Removes up to `limit` elements that are `value`, the first ones from the head, or from the tail if
    /// `backwards`. Returns how many.
    func removeMatches(_ value: PackedValue, backwards: Bool, limit: Int) -> Int {
        var removed = 0
        var node = backwards ? tail : head
        while let current = node, removed < limit {
            node = backwards ? current.previous : current.next
            var matches = 0
            _ = current.forEachMatch(value, backwards: false, limit: Int.max) { _ in
                matches += 1
                return true
            }
            guard matches > 0 else { continue }
            let taken = min(matches, limit - removed)
            removed += taken
            count -= taken
            if taken == current.count {
                remove(current)
                updateCompression()
                continue
            }
            willChange(current)
            current.decompress(in: allocator)
            let skipped = backwards ? matches - taken : 0
            _ = current.removeMatches(value, skipping: skipped, limit: taken, in: allocator)
            updateCompression(current)
        }
        return removed
    }
}
