// What a client has sent and the server has not executed: requests that must wait, or the beginning of one that has not arrived whole.
//
//     |  executed  |  requests that wait, or one whose parsing has begun  |  room  |
//     0            start                                                 count    capacity
//
// A connection has this only while there is such input; all it holds belongs to that connection alone. The arguments of a request that
// trickles in are looked at once, not once per read. A large one gets a block of its own that the socket fills directly and that a
// value may take over.

import Glibc
import RespCodec
import StoreEngine

@safe final class PendingInput {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private(set) var count = 0
    /// Where the first byte lies that has not been executed.
    private(set) var start = 0

    // MARK: the request under way

    /// Has taken in the bytes from `start` up to `position`, but those of large arguments.
    var parser = RequestParser()
    private(set) var position = 0
    /// The arguments of the request under way that are there, by their places behind `bytes.baseAddress`.
    let arguments = ArgumentList(capacity: 8)
    private(set) var large = AdoptableArguments()
    /// Which argument, by its place in `arguments`, is which large block.
    private var largePlaces: [Int] = []
    /// The large argument that is being received: its block, none if it is thrown away, its length with the two bytes behind it, and how
    /// much is there.
    private(set) var receiving: (base: UnsafeMutableRawPointer?, length: Int, received: Int)?
    /// Arguments of the request under way are thrown away as they arrive, as it will be refused: they count as empty.
    private(set) var hasLostArguments = false
    /// How many short ones were thrown away behind those in `arguments`.
    private var lostCount = 0
    /// The request under way has arrived whole.
    private(set) var isWhole = false
    /// Nothing can be done before more bytes come.
    private(set) var needsInput = false

    init() {
        capacity = 64
        unsafe base = Self.allocate(capacity)
    }

    deinit {
        unsafe arguments.deallocate()
        unsafe free(base)
        unsafe free(receiving?.base)
    }

    private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
        unsafe SystemMemory.allocate(capacity)
    }

    // MARK: bytes

    /// All bytes, executed ones included: what places count from. Good until bytes are added or dropped.
    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base, count: count) }

    /// The bytes that have not been executed.
    var rest: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base + start, count: count - start) }

    /// Whether all that has been sent was executed.
    var isEmpty: Bool { unsafe start == count && !isInsideRequest && receiving == nil }

    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        if capacity - count < bytes.count { makeRoom(bytes.count) }
        unsafe memcpy(base + count, source, bytes.count)
        count += bytes.count
        needsInput = false
    }

    private func makeRoom(_ length: Int) {
        if start > 0 && arguments.count == 0 {
            // Nothing points to what was executed.
            unsafe memmove(base, base + start, count - start)
            count -= start
            position = max(position - start, 0)
            start = 0
        }
        let needed = count + length
        guard needed > capacity else { return }
        let larger = unsafe Self.allocate(max(needed, capacity * 2))
        unsafe memcpy(larger, base, count)
        unsafe free(base)
        unsafe base = larger
        capacity = max(needed, capacity * 2)
    }

    /// Takes note that what comes before `place` has been executed. No request is under way then.
    func executed(upTo place: Int) {
        precondition(place >= start && place <= count, "executed what has not arrived, or was executed before")
        forgetRequest()
        start = place
        position = place
    }

    /// Takes note of how far the parsing of the request that begins at `start` came, and of its arguments so far.
    /// - Parameter pieces: by their places behind the beginning of `bytes`.
    func begin(_ parser: RequestParser, position: Int, arguments pieces: [ArgumentPiece]) {
        precondition(position >= start && position <= count, "a parser that is further than what has arrived")
        precondition(
            pieces.allSatisfy { $0.offset >= start && $0.count >= 0 && $0.count <= position - $0.offset },
            "an argument outside what was parsed")
        self.parser = parser
        self.position = position
        for piece in pieces { arguments.append(piece) }
        needsInput = true
        receiveLargeArgument()
    }

    private func forgetRequest() {
        parser = RequestParser()
        arguments.removeAll()
        large = AdoptableArguments()
        largePlaces = []
        hasLostArguments = false
        lostCount = 0
        isWhole = false
    }

    /// Whether a request has been looked at, and is not done with.
    var isInsideRequest: Bool { isWhole || parser.isInsideRequest }

    /// Whether it is nothing but few bytes: these are put in front of what is read next, and parsed again.
    var isShort: Bool {
        unsafe count - start <= Self.mostParsedAgain && large.blocks.isEmpty && receiving == nil && !hasLostArguments
            && !isWhole
    }

    /// Bytes of a request that may be parsed again from its beginning.
    static let mostParsedAgain = 1024

    /// Nothing can be done with what is there: it is the short beginning of a request.
    func waitForInput() { needsInput = true }

    // MARK: parsing on

    /// Goes on with the request under way.
    func parse(limits: RequestLimits) -> RequestParser.Outcome {
        parser.limits = limits
        let outcome = unsafe parser.parse(bytes, position: &position, into: arguments)
        switch outcome {
        case .request: isWhole = true
        case .needMore:
            needsInput = true
            receiveLargeArgument()
        case .failure: break
        }
        if hasLostArguments { loseShortArguments() }
        return outcome
    }

    /// Arguments of this many bytes are received in blocks of their own.
    private static let largeArgument = 32 * 1024
    /// Those of this many bytes are thrown away where any are.
    private static let lostArgument = 1024

    /// Gives a large argument that is under way a block of its own.
    private func receiveLargeArgument() {
        guard let length = parser.bulkLength,
            length >= (hasLostArguments ? Self.lostArgument : Self.largeArgument), unsafe receiving == nil
        else { return }
        let header = AdoptableArguments.headerSize
        // A client may announce any length: no memory is asked for beyond what can exist, and a refused allocation is no error.
        guard length < Int.max - header - 2 else { return }
        let present = count - position
        if hasLostArguments {
            unsafe receiving = (nil, length + 2, present)
        } else {
            guard let block = unsafe malloc(header + length + 2) else { return }
            unsafe memcpy(block + header, base + position, present)
            unsafe receiving = (block, length + 2, present)
        }
        count = position
    }

    /// Keeps none of the request's arguments but the first ones, neither of those that are there nor of those that are still to come. The
    /// pages of large ones go back to the system: otherwise they would stay between the blocks of others.
    func loseArguments() {
        guard !hasLostArguments else { return }
        hasLostArguments = true
        large.giveBack()
        if let block = unsafe receiving {
            if let base = unsafe block.base { unsafe AdoptableArguments.giveBack(base: base) }
            unsafe receiving = (nil, block.length, block.received)
        } else if needsInput {
            receiveLargeArgument()
        }
        guard !isWhole else { return }
        loseShortArguments()
        arguments.shrink()
        shrink()
    }

    /// Who refuses a request looks at so many of its arguments: the names of the command and of what it is to do.
    private static let neverLost = 2

    /// Forgets what has been parsed of the request but its first arguments.
    private func loseShortArguments() {
        guard arguments.count > Self.neverLost else { return }
        lostCount += arguments.count - Self.neverLost
        arguments.truncate(to: Self.neverLost)
        largePlaces.removeAll { $0 >= Self.neverLost }
        let kept = (0..<Self.neverLost).filter { !largePlaces.contains($0) }
        let end = kept.reduce(start) { max($0, arguments[$1].offset + arguments[$1].count) }
        precondition(end <= position, "an argument behind what was parsed")
        unsafe memmove(base + end, base + position, count - position)
        count -= position - end
        position = end
    }

    /// Gives back the room behind the bytes.
    private func shrink() {
        capacity = max(count, 64)
        unsafe base = SystemMemory.reallocate(base, capacity)
    }

    /// How many bytes of the large argument are missing; 0 if none is under way.
    var missingByteCount: Int { unsafe receiving.map { unsafe $0.length - $0.received } ?? 0 }

    /// Where the next bytes of the large argument go; nil if none is under way, or it is thrown away.
    var receivingRoom: UnsafeMutableRawBufferPointer? {
        guard let receiving = unsafe receiving, let base = unsafe receiving.base else { return nil }
        return unsafe UnsafeMutableRawBufferPointer(
            start: base + AdoptableArguments.headerSize + receiving.received,
            count: receiving.length - receiving.received)
    }

    /// Takes note of bytes that were received for the large argument.
    func received(_ length: Int) {
        guard var block = unsafe receiving else { return }
        unsafe block.received += length
        unsafe precondition(block.received <= block.length, "more was received than was asked for")
        unsafe receiving = block
        guard unsafe block.received == block.length else { return }
        unsafe receiving = nil
        largePlaces.append(arguments.count)
        unsafe arguments.append(ArgumentPiece(offset: 0, count: block.length - 2))
        if let base = unsafe block.base { unsafe large.append(base: base, count: block.length - 2) }
        parser.takeBulkElsewhere()
        isWhole = !parser.isInsideRequest
        needsInput = false
    }

    /// Lends the name of the request's command to `body`, as soon as it is there.
    func withCommandName<Result>(_ body: (ByteSlice) -> Result?) -> Result? {
        guard arguments.count > 0, largePlaces.first != 0 else { return nil }
        return unsafe body(arguments.view(0..<1, base: base)[0])
    }

    /// Lends the whole request's arguments to `body`.
    func withRequest<Result>(_ body: (Arguments) -> Result) -> Result {
        let list = ArgumentList(capacity: max(arguments.count + lostCount, 1))
        defer { unsafe list.deallocate() }
        var next = 0
        for index in 0..<arguments.count {
            guard next < largePlaces.count, largePlaces[next] == index else {
                list.append(arguments[index])
                continue
            }
            list.append(hasLostArguments ? ArgumentPiece(offset: 0, count: 0) : piece(ofBlock: next))
            next += 1
        }
        for _ in 0..<lostCount { list.append(ArgumentPiece(offset: 0, count: 0)) }
        return unsafe body(list.view(0..<list.count, base: base))
    }

    /// A large argument, by its place behind `base`.
    private func piece(ofBlock index: Int) -> ArgumentPiece {
        let block = large.bytes(index)
        let offset = block.withSpan { span in
            unsafe span.withUnsafeBytes { unsafe $0.baseAddress! - UnsafeRawPointer(base) }
        }
        return ArgumentPiece(offset: offset, count: block.count)
    }

    // MARK: figures

    private var receivingLength: Int { unsafe receiving?.base == nil ? 0 : receiving?.length ?? 0 }

    /// All bytes that have arrived, or for which there is room.
    var byteCount: Int { count - start + large.blocks.reduce(0) { $0 + $1.count } + receivingLength }

    /// All bytes that have arrived.
    var arrivedByteCount: Int { count - start + largeByteCount }

    /// About what one takes without any bytes: the object, its parser, and the first blocks of its buffer and of its list of arguments.
    private static let bytesOfItself = 448

    /// The memory that it takes: what has been executed is held, too, until its room is needed, and so is where each argument lies.
    var memoryByteCount: Int {
        arrivedByteCount + start + arguments.byteCount + Self.bytesOfItself
    }

    /// Bytes of large arguments that have arrived.
    var largeByteCount: Int {
        large.blocks.reduce(0) { $0 + $1.count } + (unsafe receiving?.base == nil ? 0 : receiving?.received ?? 0)
    }

    /// The bytes that are no whole argument yet: what `client-query-buffer-limit` is about.
    var unparsedCount: Int { unsafe count - position + (receiving?.received ?? 0) }
}
