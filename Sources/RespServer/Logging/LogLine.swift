// One event of the log as the bytes of one line, in either format. Time and process id are arguments.
//
// Text: `PID:ROLE 21 Nov 2026 01:02:03.123 * message`, local time, marks . - * # from debug to warning.
// JSON: {"ts":"2026-11-21T01:02:03.123Z","level":"notice","pid":1,"role":"primary","msg":"..."}, UTC. A message never
// breaks its line: control characters are written as escapes, since messages may quote what clients sent.

import Glibc
import RespCodec

struct LogLine {
    let level: LogLevel
    let role: LogRole
    let processID: Int32
    /// Milliseconds since 1970.
    let milliseconds: Int
    let message: String

    /// The line in `format` with its line end.
    func bytes(_ format: LogFormat) -> [UInt8] {
        switch format {
        case .text: textLine
        case .json: jsonLine
        }
    }

    private var textLine: [UInt8] {
        var clock = unsafe tm()
        var seconds = time_t(milliseconds.quotient(by: 1000))
        unsafe localtime_r(&seconds, &clock)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let date = unsafe "\(two(clock.tm_mday)) \(months[Int(clock.tm_mon)]) \(Int(clock.tm_year) + 1900)"
        var line = Array(unsafe "\(processID):\(role.letter) \(date) \(time(clock)) \(level.mark) ".utf8)
        ByteEscapes.textLine.append(message.utf8, to: &line)
        line.append(0x0A)
        return line
    }

    private var jsonLine: [UInt8] {
        var clock = unsafe tm()
        var seconds = time_t(milliseconds.quotient(by: 1000))
        unsafe gmtime_r(&seconds, &clock)
        let date = unsafe "\(Int(clock.tm_year) + 1900)-\(two(clock.tm_mon + 1))-\(two(clock.tm_mday))T\(time(clock))Z"
        var line = Array("{\"ts\":\"\(date)\",\"level\":\"\(level.rawValue)\",\"pid\":\(processID),".utf8)
        line += Array("\"role\":\"\(role.name)\",\"msg\":\"".utf8)
        ByteEscapes.printableJSON.append(message.utf8, to: &line)
        line += Array("\"}\n".utf8)
        return line
    }

    private func time(_ clock: tm) -> String {
        let fraction = milliseconds - milliseconds.quotient(by: 1000) * 1000
        let digits = String(fraction + 1000).dropFirst()
        return unsafe "\(two(clock.tm_hour)):\(two(clock.tm_min)):\(two(clock.tm_sec)).\(digits)"
    }

    private func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

extension Int {
    /// Division that rounds down, so that times before 1970 keep a fraction from 0 on.
    fileprivate func quotient(by divisor: Int) -> Int {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
