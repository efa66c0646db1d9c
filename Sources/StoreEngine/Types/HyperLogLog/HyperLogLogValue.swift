// The HyperLogLog in the string at a key, which is changed in place.

import Glibc
import RespCodec

/// Valid until the next insertion or removal in the keyspace's table.
@safe struct HyperLogLogValue {
    private let context: KeyspaceContext
    private let key: ByteSlice
    private let slot: Slot

    fileprivate init(_ context: KeyspaceContext, _ key: ByteSlice, _ slot: Slot) {
        self.context = context
        self.key = key
        self.slot = slot
    }

    /// The whole string, for changing.
    private var bytes: UnsafeMutableRawBufferPointer {
        unsafe context.editableBytes(key, slot, atLeast: 0, changing: 0..<Int.max)
    }
    private var slice: ByteSlice { unsafe ByteSlice(UnsafeRawBufferPointer(bytes)) }
    private var registers: ByteSlice { slice.dropFirst(HyperLogLog.headerSize) }

    var layout: HyperLogLog.Layout {
        guard let layout = HyperLogLog.layout(of: slice) else {
            preconditionFailure("what is no HyperLogLog was taken for one")
        }
        return layout
    }

    /// The result of adding or merging.
    enum Change {
        case nothing
        case changed
        /// The registers are damaged; nothing was changed.
        case damaged
    }

    // MARK: reading

    /// The cached estimate, or if that is outdated a new one, which is cached; nil if the registers are damaged.
    func estimate() -> (value: Int, isNew: Bool)? {
        if let known = HyperLogLog.knownEstimate(slice) { return (known, false) }
        let estimate: Int
        if layout == .sparse {
            guard let histogram = SparseRegisters(registers).histogram else { return nil }
            estimate = histogram.estimate
        } else {
            var spread = SpreadRegisters()
            guard spread.unite(slice) else { return nil }
            estimate = spread.histogram.estimate
        }
        unsafe HyperLogLog.setEstimate(estimate, in: bytes)
        return (estimate, true)
    }

    /// The runs of a sparse HyperLogLog; nil if it is dense.
    var runs: SparseRegisters? { layout == .sparse ? SparseRegisters(registers) : nil }

    /// The registers of a dense HyperLogLog.
    var dense: DenseRegisters { unsafe DenseRegisters(bytes) }

    // MARK: changing

    /// Makes the string a raw one, as before a change, even if nothing is changed.
    func becomeRaw() { _ = unsafe bytes }

    func add(_ element: ByteSlice) -> Change {
        let (index, rank) = HyperLogLog.place(of: element)
        guard layout == .sparse else { return dense.raise(index, to: rank) ? .changed : .nothing }
        var position = SparseRegisters(registers).position(near: index)
        return raiseSparse(index, to: rank, from: &position)
    }

    /// Raises a register of a sparse HyperLogLog, which may become dense.
    private func raiseSparse(_ index: Int, to rank: UInt8, from position: inout SparseRegisters.Position) -> Change {
        guard rank <= SparseRegisters.largestRank else { return raiseDense(index, to: rank) }
        switch SparseRegisters(registers).raise(index, to: rank, from: &position) {
        case .nothing: return .nothing
        case .damaged: return .damaged
        case .edit(let edit):
            let growth = edit.count - edit.oldCount
            let limit = context.settings.hyperLogLogSparseMaxBytes
            if growth > 0 && slice.count + growth > limit { return raiseDense(index, to: rank) }
            apply(edit)
            return .changed
        }
    }

    private func raiseDense(_ index: Int, to rank: UInt8) -> Change {
        guard makeDense() else { return .damaged }
        return dense.raise(index, to: rank) ? .changed : .nothing
    }

    private func apply(_ edit: SparseRegisters.Edit) {
        let header = HyperLogLog.headerSize
        let before = slice.count
        let after = before + edit.count - edit.oldCount
        let bytes = unsafe context.editableBytes(key, slot, atLeast: after, changing: 0..<after)
        let place = unsafe bytes.baseAddress! + header + edit.offset
        let behind = before - header - edit.offset - edit.oldCount
        unsafe memmove(place + edit.count, place + edit.oldCount, behind)
        for index in 0..<edit.count {
            let byte = UInt8(truncatingIfNeeded: edit.bytes >> UInt64(index * 8))
            unsafe place.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        let runs = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[header..<after])
        let left = unsafe header + SparseRegisters.join(runs, from: edit.previous)
        unsafe HyperLogLog.forgetEstimate(in: bytes)
        if left < bytes.count { context.shortenString(slot, to: left) }
    }

    /// Converts the registers to the dense layout; false if they are damaged.
    func makeDense() -> Bool {
        guard layout == .sparse else { return true }
        var spread = SpreadRegisters()
        guard spread.unite(slice) else { return false }
        becomeDense(spread)
        return true
    }

    /// Stores the registers in the dense layout. Of the header only the layout changes.
    private func becomeDense(_ registers: borrowing SpreadRegisters) {
        if slice.count > HyperLogLog.denseSize { context.shortenString(slot, to: HyperLogLog.denseSize) }
        let bytes = unsafe context.editableBytes(
            key, slot, atLeast: HyperLogLog.denseSize, changing: 0..<HyperLogLog.denseSize)
        unsafe HyperLogLog.setLayout(.dense, in: bytes)
        unsafe registers.pack(into: bytes)
    }

    /// Raises each register to that of `registers`, none of which is lower than this one's.
    /// - Parameter isDense: whether to use the dense layout even if the registers would fit the sparse one.
    func raise(to registers: borrowing SpreadRegisters, isDense: Bool) {
        var position = SparseRegisters.Position()
        var index = 0
        while index < HyperLogLog.registerCount {
            if isDense || layout == .dense { return becomeDense(registers) }
            index = registers.firstRaised(from: index)
            guard index < HyperLogLog.registerCount else { return }
            _ = raiseSparse(index, to: registers[index], from: &position)
            index += 1
        }
    }

    func forgetEstimate() { unsafe HyperLogLog.forgetEstimate(in: bytes) }
}

extension KeyspaceContext {
    /// The HyperLogLog at a key; nil if the key is absent.
    /// - Throws: `wrongType` for another type, a message for a string that is no HyperLogLog.
    func hyperLogLog(at key: ByteSlice, _ access: KeyAccess) throws(CommandError) -> HyperLogLogValue? {
        guard let slot = try find(key, as: .string, access) else { return nil }
        _ = try hyperLogLogBytes(slot)
        return HyperLogLogValue(self, key, slot)
    }

    /// The bytes of the HyperLogLog at a key, for reading only; nil if the key is absent.
    /// - Throws: as `hyperLogLog(at:_:)`.
    func hyperLogLogBytes(at key: ByteSlice) throws(CommandError) -> ByteSlice? {
        guard let slot = try find(key, as: .string, .read) else { return nil }
        return try hyperLogLogBytes(slot)
    }

    private func hyperLogLogBytes(_ slot: Slot) throws(CommandError) -> ByteSlice {
        guard let bytes = storedBytes(entry(slot)), HyperLogLog.layout(of: bytes) != nil else {
            throw .message("WRONGTYPE Key is not a valid HyperLogLog string value.")
        }
        return bytes
    }

    /// Makes a HyperLogLog without elements at a key that does not exist.
    func makeHyperLogLog(at key: ByteSlice) -> HyperLogLogValue {
        let runs = SparseRegisters.empty
        let (entry, bytes) = unsafe makeRawString(key, length: HyperLogLog.headerSize + 2)
        unsafe HyperLogLog.writeHeader(.sparse, to: bytes)
        unsafe bytes[HyperLogLog.headerSize] = runs.0
        unsafe bytes[HyperLogLog.headerSize + 1] = runs.1
        return HyperLogLogValue(self, key, insert(entry, key: key))
    }
}
