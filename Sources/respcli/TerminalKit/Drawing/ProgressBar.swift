// A line that tells how far a long job is: share, rate, and the time that is left.
//
//     users  [########------------]  41.3 %  12.3k keys/s  0:42 left
//
// `ProgressBar` is text and arithmetic; `ProgressDisplay` puts it on a terminal and takes it away again.

public struct ProgressBar: Sendable {
    public var label: String
    /// What is counted: "keys", "bytes".
    public var unit: String
    /// How many there are; nil if nobody knows.
    public var total: Int?
    public private(set) var done = 0
    private let start: Int
    private var now: Int

    /// - Parameter time: of the beginning, in nanoseconds.
    public init(label: String, unit: String, total: Int?, time: Int) {
        self.label = label
        self.unit = unit
        self.total = total
        start = time
        now = time
    }

    public mutating func update(done: Int, time: Int) {
        self.done = done
        now = max(now, time)
    }

    /// Units per second since the beginning; 0 before any time has passed.
    public var rate: Double {
        now > start ? Double(done) / (Double(now - start) / 1e9) : 0
    }

    /// The share that is done, 0...1; nil without a total.
    public var share: Double? {
        guard let total, total > 0 else { return nil }
        return min(1, Double(done) / Double(total))
    }

    /// Seconds until the end at the rate so far; nil if nothing can be said.
    public var secondsLeft: Int? {
        guard let total, done > 0, rate > 0 else { return nil }
        return max(0, Int((Double(total - done) / rate).rounded(.up)))
    }

    /// The line, at most `width` columns of ASCII.
    public func text(width: Int) -> String {
        let amount = unit == "bytes" ? Amount.bytes(Double(done)) : Amount.short(Double(done)) + " " + unit
        let speed = unit == "bytes" ? Amount.bytes(rate) + "/s" : Amount.short(rate) + " \(unit)/s"
        guard let share else { return String("\(label)  \(amount)  \(speed)".prefix(max(0, width))) }
        var tail = "  \(Amount.fixed(share * 100, decimals: 1)) %  \(speed)"
        if let secondsLeft { tail += "  \(Amount.duration(secondsLeft)) left" }
        let room = width - label.count - tail.count - 4
        guard room >= 5 else { return String((label + tail).prefix(max(0, width))) }
        let length = min(room, 40)
        let filled = Int((share * Double(length)).rounded(.down))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: length - filled)
        return "\(label)  [\(bar)]\(tail)"
    }
}

/// Numbers for people.
public enum Amount {
    /// A number with so many decimals, rounded.
    public static func fixed(_ value: Double, decimals: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int((abs(value) * scale).rounded())
        let whole = scaled / Int(scale)
        var text = (value < 0 && scaled > 0 ? "-" : "") + String(whole)
        if decimals > 0 {
            let rest = String(scaled % Int(scale))
            text += "." + String(repeating: "0", count: decimals - rest.count) + rest
        }
        return text
    }

    /// "999", "1.2k", "34.5M".
    public static func short(_ value: Double) -> String {
        scaled(value, base: 1000, units: ["", "k", "M", "G", "T"])
    }

    /// "999 B", "1.2 KiB".
    public static func bytes(_ value: Double) -> String {
        scaled(value, base: 1024, units: [" B", " KiB", " MiB", " GiB", " TiB"])
    }

    private static func scaled(_ value: Double, base: Double, units: [String]) -> String {
        var value = value
        var index = 0
        while abs(value) >= base && index + 1 < units.count {
            value /= base
            index += 1
        }
        return fixed(value, decimals: index == 0 ? 0 : 1) + units[index]
    }

    /// "0:07", "12:34", "3:02:10".
    public static func duration(_ seconds: Int) -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let hours = seconds / 3600
        return hours > 0
            ? "\(hours):\(two(seconds / 60 % 60)):\(two(seconds % 60))" : "\(seconds / 60):\(two(seconds % 60))"
    }
}
