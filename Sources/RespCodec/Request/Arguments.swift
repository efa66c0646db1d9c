// The arguments of requests: where each one lies, without copying it.
//
// A piece is an offset from some base address and a count. Parsing appends pieces to one `ArgumentList` that is reused for every batch of
// requests, so that a request costs no allocation. `Arguments` is the view of one request's run of pieces.
//
// The text of a quoted argument of an inline request differs from its bytes in the request: it is written to a block of memory that the
// list owns, and its piece's offset leads from the base to there.
//
// `ArgumentList` and `Arguments` hold raw pointers, and their lifetimes are not checked. Making a view of a list and a base is therefore
// `@unsafe`; every index is checked.

/// Where one argument lies, relative to the base of its request's bytes.
@frozen public struct ArgumentPiece {
    public var offset: Int
    public var count: Int

    @inlinable public init(offset: Int, count: Int) {
        self.offset = offset
        self.count = count
    }
}

/// A growing list of pieces, filled by the request parser. A handle: copies share the list, and none may be used after `deallocate`.
@frozen @safe public struct ArgumentList {
    @usableFromInline @unsafe struct Storage {
        @usableFromInline var pieces: UnsafeMutablePointer<ArgumentPiece>
        @usableFromInline var count: Int
        @usableFromInline var capacity: Int
        /// The newest block of text; each block begins with the address of the one before it.
        @usableFromInline var texts: UnsafeMutableRawPointer?
    }

    @usableFromInline let storage: UnsafeMutablePointer<Storage>

    /// - Parameter capacity: for how many pieces there is room from the start; there is for one at least.
    public init(capacity: Int = 64) {
        let capacity = max(capacity, 1)
        unsafe storage = .allocate(capacity: 1)
        unsafe storage.initialize(
            to: Storage(pieces: .allocate(capacity: capacity), count: 0, capacity: capacity, texts: nil))
    }

    /// Frees the list. It must not be used afterwards.
    @unsafe public func deallocate() {
        freeTexts()
        unsafe storage.pointee.pieces.deallocate()
        unsafe storage.deallocate()
    }

    @inlinable public var count: Int { unsafe storage.pointee.count }

    /// The memory of its pieces, without the room for more.
    @inlinable public var byteCount: Int { count * MemoryLayout<ArgumentPiece>.stride }

    /// Exchanges the contents of two lists.
    public func exchange(with other: ArgumentList) { unsafe swap(&storage.pointee, &other.storage.pointee) }

    /// Empties the list, and shrinks one that had become unusually long.
    public func removeAll() {
        unsafe storage.pointee.count = 0
        if unsafe storage.pointee.texts != nil { freeTexts() }
        if unsafe storage.pointee.capacity > 65_536 {
            unsafe storage.pointee.pieces.deallocate()
            unsafe storage.pointee.pieces = .allocate(capacity: 1024)
            unsafe storage.pointee.capacity = 1024
        }
    }

    /// Memory for the text of an argument, valid until the list is emptied.
    @unsafe func makeText(capacity: Int) -> UnsafeMutablePointer<UInt8> {
        let header = unsafe MemoryLayout<UnsafeMutableRawPointer?>.stride
        let block = UnsafeMutableRawPointer.allocate(byteCount: header + capacity, alignment: header)
        unsafe block.storeBytes(of: storage.pointee.texts, as: UnsafeMutableRawPointer?.self)
        unsafe storage.pointee.texts = unsafe block
        return unsafe (block + header).assumingMemoryBound(to: UInt8.self)
    }

    private func freeTexts() {
        while let block = unsafe storage.pointee.texts {
            unsafe storage.pointee.texts = block.load(as: UnsafeMutableRawPointer?.self)
            unsafe block.deallocate()
        }
    }

    /// Shortens the list to its first `count` pieces.
    public func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "a list is not lengthened by truncating")
        unsafe storage.pointee.count = count
    }

    /// Gives back the room for more pieces.
    public func shrink() { resize(to: max(count, 1)) }

    @inline(__always)
    public func append(_ piece: ArgumentPiece) {
        if unsafe storage.pointee.count == storage.pointee.capacity { grow() }
        let count = unsafe storage.pointee.count
        unsafe storage.pointee.pieces[count] = piece
        unsafe storage.pointee.count = count &+ 1
    }

    /// Room for `count` more pieces. They become part of the list by `take`.
    @inline(__always)
    @unsafe func room(for count: Int) -> UnsafeMutablePointer<ArgumentPiece> {
        while unsafe storage.pointee.capacity &- storage.pointee.count < count { grow() }
        return unsafe storage.pointee.pieces + storage.pointee.count
    }

    /// Adds `count` pieces that were written to `room(for:)`.
    @inline(__always)
    @unsafe func take(_ count: Int) { unsafe storage.pointee.count &+= count }

    @inline(never)
    private func grow() { unsafe resize(to: storage.pointee.capacity * 2) }

    private func resize(to capacity: Int) {
        let pieces = unsafe SystemMemory.allocate(ArgumentPiece.self, count: capacity)
        unsafe pieces.moveInitialize(from: storage.pointee.pieces, count: count)
        unsafe storage.pointee.pieces.deallocate()
        unsafe storage.pointee.pieces = pieces
        unsafe storage.pointee.capacity = capacity
    }

    public subscript(index: Int) -> ArgumentPiece {
        precondition(index >= 0 && index < count, "a piece outside the list")
        return unsafe storage.pointee.pieces[index]
    }

    /// The arguments `range` as a view, valid until the list or the bytes change.
    /// - Parameter base: the address that the pieces' offsets count from.
    @inlinable @unsafe public func view(_ range: Range<Int>, base: UnsafeRawPointer) -> Arguments {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "arguments outside the list")
        return unsafe Arguments(base: base, pieces: storage.pointee.pieces + range.lowerBound, count: range.count)
    }
}

/// One request's arguments, its name the first. A view: valid only while the request is being executed.
@frozen @safe public struct Arguments {
    @usableFromInline let base: UnsafeRawPointer
    @usableFromInline let pieces: UnsafePointer<ArgumentPiece>
    public let count: Int

    @inlinable @unsafe public init(base: UnsafeRawPointer, pieces: UnsafePointer<ArgumentPiece>, count: Int) {
        unsafe self.base = base
        unsafe self.pieces = pieces
        self.count = count
    }

    @inlinable public subscript(index: Int) -> ByteSlice {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "an argument outside the request")
        let piece = unsafe pieces[index]
        return unsafe ByteSlice(start: base + piece.offset, count: piece.count)
    }

    /// An owned copy of every argument.
    public var owned: [[UInt8]] { (0..<count).map { self[$0].array } }

    /// The view without the first `length` arguments.
    public func dropFirst(_ length: Int) -> Arguments {
        let dropped = min(length, count)
        return unsafe Arguments(base: base, pieces: pieces + dropped, count: count - dropped)
    }
}

/// A request that owns its bytes: a queued command of a transaction, or one that the server makes itself.
@safe public final class OwnedArguments {
    private let bytes: UnsafeMutableRawPointer
    private let pieces: UnsafeMutablePointer<ArgumentPiece>
    private let count: Int
    /// The memory the copy takes.
    public let byteCount: Int
    /// The bytes of the arguments themselves.
    public var argumentByteCount: Int { byteCount - count * MemoryLayout<ArgumentPiece>.stride }

    /// Copies `count` arguments, asking for each by its index.
    private init(count: Int, total: Int, copy: (Int, UnsafeMutableRawPointer) -> Int) {
        self.count = count
        byteCount = total + count * MemoryLayout<ArgumentPiece>.stride
        unsafe bytes = SystemMemory.allocate(max(total, 1))
        unsafe pieces = SystemMemory.allocate(ArgumentPiece.self, count: count)
        var offset = 0
        for index in 0..<count {
            let length = unsafe copy(index, bytes + offset)
            unsafe pieces[index] = ArgumentPiece(offset: offset, count: length)
            offset += length
        }
        precondition(offset == total, "every byte of the copy is accounted for")
    }

    public convenience init(_ arguments: Arguments) {
        var total = 0
        for index in 0..<arguments.count { total += arguments[index].count }
        unsafe self.init(count: arguments.count, total: total) { index, target in
            let argument = arguments[index]
            if argument.count > 0 {
                unsafe target.copyMemory(from: argument.rawBytes.baseAddress!, byteCount: argument.count)
            }
            return argument.count
        }
    }

    public convenience init(_ words: [[UInt8]]) {
        unsafe self.init(count: words.count, total: words.reduce(0) { $0 + $1.count }) { index, target in
            unsafe words[index].withUnsafeBytes { bytes in
                if bytes.count > 0 { unsafe target.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count) }
            }
            return words[index].count
        }
    }

    deinit {
        unsafe bytes.deallocate()
        unsafe pieces.deallocate()
    }

    /// The arguments, valid while this object lives.
    public var view: Arguments { unsafe Arguments(base: bytes, pieces: pieces, count: count) }
}
