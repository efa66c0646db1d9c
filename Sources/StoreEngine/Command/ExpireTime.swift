// When keys and fields expire, as commands give it: in seconds or milliseconds, from now on or since 1970, and on conditions.

import RespCodec

enum ExpireTime {
    enum Unit {
        case seconds
        case milliseconds
    }

    /// What the number of an expire time counts, and from when.
    struct Form: Equatable {
        let unit: Unit
        /// Since 1970; else from now on.
        let isAbsolute: Bool

        /// The four options, by their words.
        static let ex = Form(unit: .seconds, isAbsolute: false)
        static let px = Form(unit: .milliseconds, isAbsolute: false)
        static let exat = Form(unit: .seconds, isAbsolute: true)
        static let pxat = Form(unit: .milliseconds, isAbsolute: true)

        /// How many milliseconds one of its units has.
        var milliseconds: Int64 { unit == .seconds ? 1000 : 1 }
        /// What an argument of this form is called.
        var argument: String {
            let unit = unit == .seconds ? "seconds" : "milliseconds"
            return isAbsolute ? "unix-time-\(unit)" : unit
        }
        /// What it is, in words.
        var summary: String {
            "\(isAbsolute ? "as a time" : "from now on"), in \(unit == .seconds ? "seconds" : "milliseconds")"
        }
    }

    /// The deadline in milliseconds since 1970.
    /// - Parameter amount: may be negative.
    /// - Throws: `invalidExpire` when it cannot be counted in 64 bits.
    static func deadline(_ amount: Int, _ form: Form, now: Int64, command: String) throws(CommandError) -> Int64 {
        var result = Int64(amount)
        if form.unit == .seconds {
            let (product, overflow) = result.multipliedReportingOverflow(by: 1000)
            guard !overflow else { throw .invalidExpire(command) }
            result = product
        }
        if !form.isAbsolute {
            let (sum, overflow) = result.addingReportingOverflow(now)
            guard !overflow else { throw .invalidExpire(command) }
            result = sum
        }
        return result
    }

    /// As `deadline`, for commands that refuse times that are not positive.
    static func positiveDeadline(
        _ text: ByteSlice, _ form: Form, now: Int64, command: String
    ) throws(CommandError) -> Int64 {
        guard let amount = Decimal.parse(text) else { throw .notInteger }
        guard amount > 0 else { throw .invalidExpire(command) }
        let deadline = try deadline(amount, form, now: now, command: command)
        guard deadline > 0 else { throw .invalidExpire(command) }
        return deadline
    }
}

/// When a new deadline takes the place of the current one: what NX, XX, GT and LT ask for.
struct DeadlineCondition: OptionSet {
    let rawValue: UInt8
    static let absent = DeadlineCondition(rawValue: 1)
    static let present = DeadlineCondition(rawValue: 2)
    static let later = DeadlineCondition(rawValue: 4)
    static let earlier = DeadlineCondition(rawValue: 8)

    /// Without a deadline one counts as expiring at the end of time.
    func allows(_ deadline: Int64, instead current: Int64?) -> Bool {
        if contains(.absent) && current != nil { return false }
        if contains(.present) && current == nil { return false }
        if contains(.later) {
            guard let current, deadline > current else { return false }
        }
        if contains(.earlier), let current, deadline >= current { return false }
        return true
    }
}

/// How long a string that is set stays.
enum Lifetime {
    case unlimited
    case keep
    case until(Int64)
}

/// What the options of a command say of when a key expires: EX, PX, EXAT or PXAT with a time, or the one word of the command that goes
/// with none of these, KEEPTTL or PERSIST.
struct ExpireOption {
    private var form: ExpireTime.Form?
    private var amount = ByteSlice.empty
    /// Whether the word was given.
    private(set) var hasWord = false

    init() {}

    /// Takes what comes next, if it is one of these options.
    /// - Parameter mayRepeat: whether the same option may come again; then the last one counts.
    /// - Throws: `syntax` if it does not go with what was given before.
    @inline(__always)
    mutating func take(
        from reader: inout ArgumentReader, or word: StaticString, mayRepeat: Bool
    ) throws(CommandError) -> Bool {
        if let given = reader.takesExpireForm(with: 1) {
            guard !hasWord, form == nil || mayRepeat && form == given else { throw .syntax }
            form = given
            amount = reader.next()
            return true
        }
        guard reader.takes(word) else { return false }
        guard form == nil, mayRepeat || !hasWord else { throw .syntax }
        hasWord = true
        return true
    }

    /// The deadline in milliseconds since 1970; nil if none was given.
    /// - Throws: `notInteger`, and `invalidExpire` for a time that is not positive or cannot be counted.
    @inline(__always)
    func deadline(now: Int64, command: String) throws(CommandError) -> Int64? {
        guard let form else { return nil }
        return try ExpireTime.positiveDeadline(amount, form, now: now, command: command)
    }

    /// How long a string stays, where the word is KEEPTTL.
    @inline(__always)
    func lifetime(now: Int64, command: String) throws(CommandError) -> Lifetime {
        if hasWord { return .keep }
        return try deadline(now: now, command: command).map { .until($0) } ?? .unlimited
    }
}

extension ArgumentReader {
    /// Takes EX, PX, EXAT or PXAT, if one of them comes next with its operands.
    @inline(__always)
    mutating func takesExpireForm(with operands: Int = 0) -> ExpireTime.Form? {
        if takes("ex", with: operands) { return .ex }
        if takes("px", with: operands) { return .px }
        if takes("exat", with: operands) { return .exat }
        if takes("pxat", with: operands) { return .pxat }
        return nil
    }

    /// Takes NX, XX, GT or LT, if one of them comes next.
    mutating func takesDeadlineCondition() -> DeadlineCondition? {
        if takes("nx") { return .absent }
        if takes("xx") { return .present }
        if takes("gt") { return .later }
        if takes("lt") { return .earlier }
        return nil
    }
}
