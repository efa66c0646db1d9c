// Reads a log of effects from a file, some requests at a time: what stands between MULTI and EXEC comes as a whole or not at all.
//
// The file is read into a window, which grows to hold the longest request or group. What ends too early is told apart from what is
// damaged: a log that was being written when the machine went down ends within a request, or with bytes of zero.

import Glibc
import RespCodec

@safe public final class EffectReader {
    public enum Outcome: Equatable {
        /// `count` requests are there to be run.
        case requests
        /// The file ends with the last request.
        case end
        /// The file ends within what begins at the offset: a request, or a group.
        case torn(offset: Int, isGroup: Bool)
        case damaged(offset: Int, what: String)
        /// What follows has a note in front of it that is of later than `lastTime`. What is to be dropped begins at the offset.
        case later(offset: Int)
        /// Reading was stopped, or has failed.
        case stopped
    }

    /// Requests that stand by themselves are given out together up to this number.
    public static let mostRequests = 32
    /// Up to which number now.
    public var batchLimit = mostRequests
    private static let usualCapacity = 1 << 20
    /// In seconds since 1970: what was written later is not read, as far as there are notes of the time. nil for all.
    public var lastTime: Int64?

    private struct Request {
        let firstWord: Int
        let wordCount: Int
        let offset: Int
    }

    private let input: any SnapshotInput
    private var window: UnsafeMutableRawPointer
    private var capacity: Int
    /// What of the window was not given out, and where it ends.
    private var position = 0
    private var end = 0
    /// Where in the file the window begins.
    private var start: Int
    private let list = ArgumentList(capacity: 1024)
    private var requests: [Request] = []
    /// Up to where the window was parsed, and where the group begins in which that is.
    private var parsed = 0
    private var groupStart: Int?
    private let isCommand: (ByteSlice) -> Bool

    /// - Parameters:
    ///   - input: is read from where it is.
    ///   - offset: where in the file that is.
    ///   - isCommand: whether there is a command of a name. A transaction without an end in which something else stands was damaged:
    ///     its EXEC may be that.
    public init(_ input: any SnapshotInput, offset: Int = 0, isCommand: @escaping (ByteSlice) -> Bool = { _ in true }) {
        self.input = input
        self.isCommand = isCommand
        start = offset
        capacity = Self.usualCapacity
        unsafe window = SystemMemory.allocate(Self.usualCapacity)
    }

    deinit {
        unsafe free(window)
        unsafe list.deallocate()
    }

    /// How many requests there are to be run.
    public var count: Int { requests.count }
    /// Whether they stood between MULTI and EXEC.
    public private(set) var isGroup = false

    /// The words of a request, good until the next ones are read.
    public func words(_ index: Int) -> Arguments {
        let request = requests[index]
        return unsafe list.view(request.firstWord..<request.firstWord + request.wordCount, base: window)
    }

    /// Where a request begins in the file.
    public func offset(of index: Int) -> Int { requests[index].offset }

    /// Up to where in the file everything was given out.
    public var offset: Int { start + position }

    private var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: window, count: end) }

    /// Reads the next requests.
    public func next() -> Outcome {
        isGroup = false
        restart()
        while true {
            if let outcome = parse() { return outcome }
            switch fill() {
            case .filled: continue
            case .failed: return .stopped
            case .atEnd: return endOfFile()
            }
        }
    }

    /// Forgets what was parsed behind what was given out.
    private func restart() {
        list.removeAll()
        requests.removeAll(keepingCapacity: true)
        parsed = position
        groupStart = nil
    }

    /// Parses what there is in the window; nil if it is not enough for a request or a group. Then it goes on behind the whole requests of the
    /// group when there is more.
    private func parse() -> Outcome? {
        var place = parsed
        while true {
            let begin = place
            let firstWord = list.count
            switch unsafe EffectParser.parse(bytes, position: &place, into: list) {
            case .note:
                if let lastTime {
                    let note = unsafe UnsafeRawBufferPointer(rebasing: bytes[begin..<place])
                    switch unsafe EffectParser.time(ofNote: note) {
                    case .none: break
                    case .time(let time) where time <= lastTime: break
                    case _ where groupStart == nil && count > 0: return given(upTo: begin)
                    case .time: return .later(offset: start + (groupStart ?? begin))
                    case .damage: return .damaged(offset: start + begin, what: "a note of the time that is none")
                    }
                }
                // It is not read again.
                if groupStart == nil && count == 0 { position = place }
            case .incomplete:
                if groupStart == nil && count > 0 { return given(upTo: begin) }
                list.truncate(to: firstWord)
                parsed = begin
                return nil
            case .damage(let what):
                return groupStart == nil && count > 0
                    ? given(upTo: begin) : .damaged(offset: start + begin, what: what)
            case .request:
                let request = Request(
                    firstWord: firstWord, wordCount: list.count - firstWord, offset: start + begin)
                let name = unsafe list.view(firstWord..<list.count, base: window)[0]
                if name.count == 5 && name.equalsIgnoringCase("multi") {
                    if groupStart == nil && count > 0 { return given(upTo: begin) }
                    guard groupStart == nil else {
                        return .damaged(offset: start + begin, what: "MULTI within a transaction")
                    }
                    groupStart = begin
                    list.truncate(to: firstWord)
                } else if name.count == 4 && name.equalsIgnoringCase("exec") {
                    guard groupStart != nil else {
                        return count > 0
                            ? given(upTo: begin) : .damaged(offset: start + begin, what: "EXEC without MULTI")
                    }
                    list.truncate(to: firstWord)
                    isGroup = true
                    return given(upTo: place)
                } else {
                    requests.append(request)
                    if groupStart == nil && count >= batchLimit { return given(upTo: place) }
                }
            }
        }
    }

    private func given(upTo place: Int) -> Outcome {
        position = place
        return .requests
    }

    // MARK: the end

    /// What it means that nothing follows what is in the window.
    private func endOfFile() -> Outcome {
        var place = position
        var groupStart: Int?
        list.removeAll()
        requests.removeAll(keepingCapacity: true)
        while place < end {
            let begin = place
            let firstWord = list.count
            switch unsafe EffectParser.parse(bytes, position: &place, into: list) {
            case .note:
                if groupStart == nil { position = place }
                continue
            case .request:
                let name = unsafe list.view(firstWord..<list.count, base: window)[0]
                if name.equalsIgnoringCase("multi") {
                    groupStart = groupStart ?? begin
                } else if !isCommand(name) {
                    let shown = String(decoding: name.array.prefix(64), as: UTF8.self)
                    return .damaged(offset: start + begin, what: "Unknown command '\(shown)'")
                }
                continue
            case .damage(let what): return .damaged(offset: start + begin, what: what)
            case .incomplete: break
            }
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[begin...])
            if unsafe EffectParser.isDamaged(rest) {
                return .damaged(offset: start + begin, what: "a word that is shorter than it says")
            }
            return .torn(offset: start + (groupStart ?? begin), isGroup: groupStart != nil)
        }
        if let groupStart { return .torn(offset: start + groupStart, isGroup: true) }
        return .end
    }

    /// Whether what was given out as damaged is the beginning of a request, and the rest of the file nothing but zeros: what a machine leaves
    /// that went down before what it had written was on the disk.
    public func endsInZeros(from offset: Int) -> Bool {
        var place = offset - start
        guard place >= 0 && place <= end else { return false }
        position = place
        while fill() == .filled && end < capacity {}
        place = 0
        var last = end
        while last > place, unsafe window.load(fromByteOffset: last - 1, as: UInt8.self) == 0 { last -= 1 }
        guard last < end, unsafe !EffectParser.isDamaged(UnsafeRawBufferPointer(rebasing: bytes[..<last]))
        else { return false }
        while true {
            position = end
            guard fill() == .filled else { return !input.hasFailed }
            guard unsafe bytes.allSatisfy({ $0 == 0 }) else { return false }
        }
    }

    /// What there is behind what was given out.
    public struct Rest {
        /// Lines of requests, up to where they are no longer whole: for those who look for a damage with an editor.
        public var lineCount = 0
        /// Where in the file that is.
        public var offset: Int
        /// Whether it at least begins as a request does.
        public var isRequest: Bool
    }

    /// Looks at what was found to be torn or damaged.
    /// - Parameter limit: behind what begins there it does not look.
    public func rest(upTo limit: Int = Int.max) -> Rest {
        var place = position
        var rest = Rest(offset: start + place, isRequest: false)
        while place < end && start + place <= limit {
            list.removeAll()
            switch unsafe EffectParser.parse(bytes, position: &place, into: list) {
            case .request: rest.lineCount += 1 + 2 * list.count
            case .note: break
            case .incomplete, .damage:
                unsafe rest.lineCount += EffectParser.lineCount(ofBroken: bytes, from: place, words: list)
                rest.isRequest = unsafe bytes[place] == UInt8(ascii: "*")
                rest.offset = start + place
                return rest
            }
        }
        rest.isRequest = true
        rest.offset = start + place
        return rest
    }

    // MARK: the window

    private enum Filling {
        case filled, atEnd, failed
    }

    /// Reads more behind what was not given out yet.
    private func fill() -> Filling {
        if position > 0 {
            let rest = end - position
            if rest > 0 { unsafe memmove(window, window + position, rest) }
            start += position
            end = rest
            position = 0
            // What was parsed had its places in the window.
            restart()
        }
        if end == capacity { resize(to: capacity * 2) }
        if end == 0 && capacity > Self.usualCapacity { resize(to: Self.usualCapacity) }
        // A request that is not whole is parsed from its beginning again: as much is read as there is of it.
        let wanted = min(capacity - end, max(Self.usualCapacity, end - parsed))
        let read = unsafe input.read(to: UnsafeMutableRawBufferPointer(start: window + end, count: wanted))
        end += max(read, 0)
        if read > 0 { return .filled }
        return input.hasFailed ? .failed : .atEnd
    }

    private func resize(to new: Int) {
        let other = unsafe SystemMemory.allocate(new)
        unsafe memcpy(other, window, end)
        unsafe free(window)
        unsafe window = other
        capacity = new
    }
}
