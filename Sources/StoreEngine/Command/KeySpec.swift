// The keys of a request: where a command's keys are among its arguments, what it does with them, and how they are found.
//
// A command declares its specs once. COMMAND INFO describes them, and whoever needs the keys of a request (COMMAND GETKEYS, expiry
// before a command runs, permissions) walks them with `forEachKey`, which allocates nothing. Numbers of keys come from the wire, so
// each is compared with the number of arguments before anything is computed from it.

import RespCodec

/// Where some of a command's keys are among its arguments, and what it does with them.
public struct KeySpec: Sendable {
    public enum Begin: Sendable {
        /// At an argument's index; the command's name is 0.
        case index(Int)
        /// Behind a word, which is looked for from an index on; from the end backwards if negative.
        case keyword(StaticString, from: Int)
        /// Where neither can tell; the function finds the one key, or none.
        case unknown(@Sendable (Arguments) -> Int?)
    }
    public enum Find: Sendable {
        /// Up to `last`, counted from the first key, or from the end if negative; every `step`; `limit` halves and so on.
        case range(last: Int, step: Int, limit: Int)
        /// As many as the argument at `count` says, the first at `first`, both counted from where the spec begins.
        case keyCount(count: Int, first: Int, step: Int)
    }

    /// What is done with a key.
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// Reads the value.
        public static let ro = Flags(rawValue: 1 << 0)
        /// Changes the value, in a way that depends on what it was.
        public static let rw = Flags(rawValue: 1 << 1)
        /// Sets the value, whatever it was.
        public static let ow = Flags(rawValue: 1 << 2)
        /// Removes the key, whatever its value was.
        public static let rm = Flags(rawValue: 1 << 3)
        /// Tells the caller something of what the value holds.
        public static let access = Flags(rawValue: 1 << 4)
        /// Changes what the value holds.
        public static let update = Flags(rawValue: 1 << 5)
        /// Adds to the value, and changes nothing that was there.
        public static let insert = Flags(rawValue: 1 << 6)
        /// Removes something of the value, or all of it.
        public static let delete = Flags(rawValue: 1 << 7)
        /// The argument only looks like a key.
        public static let notKey = Flags(rawValue: 1 << 8)
        /// There may be keys that the spec does not find.
        public static let incomplete = Flags(rawValue: 1 << 9)
        /// Other arguments of a request choose among the flags.
        public static let variableFlags = Flags(rawValue: 1 << 10)

        private static let allNames: [StaticString] = [
            "RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags",
        ]

        /// The names in COMMAND INFO, in the order in which Redis lists them.
        public var names: [StaticString] {
            Self.allNames.indices.filter { rawValue >> $0 & 1 != 0 }.map { Self.allNames[$0] }
        }
    }

    public let begin: Begin
    public let find: Find
    public let flags: Flags
    /// What is to be known about the flags.
    public let notes: String?
    /// The flags in a request, where its other arguments choose among them: `flags` then has those of all requests.
    public let flagsInRequest: (@Sendable (Arguments) -> Flags)?
    /// Of a spec that is known not to find all keys: which arguments of a request are keys, those of the command's other specs included; empty
    /// where none fits.
    public private(set) var allKeys: (@Sendable (Arguments) -> Range<Int>)?

    public init(
        _ flags: Flags, begin: Begin, find: Find = .range(last: 0, step: 1, limit: 0), notes: String? = nil,
        flagsInRequest: (@Sendable (Arguments) -> Flags)? = nil
    ) {
        self.flags = flags
        self.notes = notes
        self.flagsInRequest = flagsInRequest
        self.begin = begin
        self.find = find
    }

    /// One key, the first argument.
    public static func first(
        _ flags: Flags, notes: String? = nil, flagsInRequest: (@Sendable (Arguments) -> Flags)? = nil
    ) -> KeySpec {
        KeySpec(flags, begin: .index(1), notes: notes, flagsInRequest: flagsInRequest)
    }
}

// MARK: finding keys

extension KeySpec {
    /// The same spec, with a function that finds what it does not.
    public func findingAll(_ keys: @escaping @Sendable (Arguments) -> Range<Int>) -> KeySpec {
        var spec = self
        spec.allKeys = keys
        return spec
    }

    /// Which arguments of a request are keys.
    private enum Places {
        /// None: the word behind which they would be is not there.
        case none
        case every(step: Int, of: ClosedRange<Int>)
        /// The arguments are too few, or their number of keys is not one.
        case misfit
    }

    /// Calls `body` with the index of each key that the spec finds, in order, and what the request does with it.
    ///
    /// - Parameter request: any arguments, right in number or not, the command's name first.
    /// - Returns: false if the arguments do not fit the spec, or if it is known not to find all keys.
    /// - Complexity: O(keys found), O(arguments) for a spec that looks for a word.
    @discardableResult
    public func forEachKey<Failure>(
        in request: Arguments, _ body: (_ index: Int, _ flags: Flags) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        guard !flags.contains(.notKey) else { return true }
        switch places(in: request) {
        case .none: return true
        case .misfit: return false
        case .every(let step, let range):
            let flags = flagsInRequest?(request) ?? flags
            var index = range.lowerBound
            while index <= range.upperBound {
                try body(index, flags)
                index += step
            }
            return !self.flags.contains(.incomplete)
        }
    }

    private func places(in request: Arguments) -> Places {
        guard let start = start(in: request) else { return .none }
        let first: Int
        let last: Int
        let step: Int
        switch find {
        case .range(let end, let width, let limit):
            first = start
            step = width
            if end >= 0 {
                last = first + end
            } else {
                last = limit == 0 ? request.count + end : first + (request.count - first) / limit + end
            }
        case .keyCount(let place, let offset, let width):
            guard start + place < request.count, let count = Decimal.parse(request[start + place]),
                0...request.count ~= count
            else { return .misfit }
            first = start + offset
            step = width
            last = first + (count - 1) * width
            guard last + width <= request.count else { return .misfit }
        }
        guard first <= last, last < request.count else { return .misfit }
        return .every(step: step, of: first...last)
    }

    /// Where the spec begins; nil if that is nowhere in this request.
    private func start(in request: Arguments) -> Int? {
        switch begin {
        case .index(let index): return index
        case .keyword(let word, let from):
            // Behind the last argument there is no key, but from the end backwards it is looked at all the same.
            var index = from > 0 ? from : request.count + from
            while index >= 1 && index < (from > 0 ? request.count - 1 : request.count) {
                if Self.isSameWord(request[index], word) { return index + 1 }
                index += from > 0 ? 1 : -1
            }
            return nil
        case .unknown(let find): return find(request)
        }
    }

    private static func isSameWord(_ argument: ByteSlice, _ word: StaticString) -> Bool {
        guard argument.count == word.utf8CodeUnitCount else { return false }
        return (0..<argument.count).allSatisfy {
            unsafe ByteSlice.lowercased(argument[$0]) == ByteSlice.lowercased(word.utf8Start[$0])
        }
    }
}

extension Array where Element == KeySpec {
    /// Calls `body` with the index of each key in a request, spec by spec, and what the request does with it. Stops at the first
    /// spec that the arguments do not fit.
    ///
    /// - Parameter request: any arguments, right in number or not, the command's name first.
    /// - Returns: whether these are all keys: the arguments fit every spec, and none of those that apply is incomplete.
    /// - Complexity: O(keys found), O(arguments) for a spec that looks for a word. Allocates nothing.
    @discardableResult
    public func forEachKey<Failure>(
        in request: Arguments, _ body: (_ index: Int, _ flags: KeySpec.Flags) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        for place in indices {
            guard try self[place].forEachKey(in: request, body) else { return false }
        }
        return true
    }

    /// The same for a request whose number of keys is no number as it should be, such as "2x", which no command takes: that is read as
    /// far as it is one, and the keys that are counted come first. Nothing is told of what is done with them.
    ///
    /// - Returns: whether there is a number of keys that fits the arguments.
    public func forEachKeyCountedLeniently(in request: Arguments, _ body: (_ index: Int) -> Void) -> Bool {
        for spec in self {
            guard case .keyCount(let place, let offset, step: 1) = spec.find else { continue }
            guard case .index(let start) = spec.begin, start + place < request.count else { return false }
            let count = request[start + place].leadingNumber
            let first = start + offset
            guard count >= 1, count <= request.count - first else { return false }
            (first..<first + count).forEach(body)
            for other in self {
                if case .index(let index) = other.begin, case .range = other.find { body(index) }
            }
            return true
        }
        return false
    }
}

/// A command's specs at an address that costs no reference count, for those who hand them on with every request. Commands live as long
/// as the program, and so may this; else `deallocate` ends it.
@safe public struct KeySpecs: @unchecked Sendable {
    private let specs: UnsafeMutablePointer<[KeySpec]>

    public init(_ specs: [KeySpec]) {
        unsafe self.specs = .allocate(capacity: 1)
        unsafe self.specs.initialize(to: specs)
    }

    @unsafe public func deallocate() {
        unsafe specs.deinitialize(count: 1)
        unsafe specs.deallocate()
    }

    /// Calls `body` with the index of each key in a request.
    /// - Returns: whether these are all keys.
    @discardableResult
    public func forEachKey<Failure>(
        in request: Arguments, _ body: (_ index: Int, _ flags: KeySpec.Flags) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        try unsafe specs.pointee.forEachKey(in: request, body)
    }
}

extension Command {
    /// Calls `body` with the index of each key in a request of this command, and what the request does with it.
    ///
    /// - Returns: whether these are all keys.
    @discardableResult
    public func forEachKey<Failure>(
        in request: Arguments, _ body: (_ index: Int, _ flags: KeySpec.Flags) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        try keys.forEachKey(in: request, body)
    }
}

extension ByteSlice {
    /// The number at the beginning of a text, as `atoi` reads it: 0 without one, and what does not fit is cut off.
    fileprivate var leadingNumber: Int {
        var index = 0
        while index < count, self[index] == 0x20 || (0x09...0x0D).contains(self[index]) { index += 1 }
        let isNegative = index < count && self[index] == UInt8(ascii: "-")
        if index < count, isNegative || self[index] == UInt8(ascii: "+") { index += 1 }
        var value = 0
        while index < count, case let digit = self[index] &- UInt8(ascii: "0"), digit <= 9 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(isNegative ? -Int(digit) : Int(digit))
            guard !overflow, !carried else { return isNegative ? 0 : -1 }
            value = sum
            index += 1
        }
        return Int(Int32(truncatingIfNeeded: value))
    }
}
