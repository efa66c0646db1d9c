// The server's log: a line per event, to standard output or a file, and to the system log if asked.
//
// The level is one atomic byte, and messages are autoclosures: a line that is not included costs a load and a comparison,
// and its text is never made. Any thread may log; a lock and one call to the kernel for each line keep lines apart. The
// file is opened for every line, as in Redis: when a rotation renames it, the next line begins a new file, and no signal
// is needed. Log lines are rare enough for that. If the file cannot be opened, lines go to standard error.

import Glibc
import Synchronization

final class Log: Sendable {
    enum Destination: Sendable {
        case standardOutput
        case file(String)
        /// Calls with the bytes of each line, its line end included. For tests.
        case collector(@Sendable ([UInt8]) -> Void)
    }

    private struct State {
        var destination: Destination
        var format = LogFormat.text
        var syslogIsOpen = false
    }

    private let threshold: Atomic<UInt8>
    private let roleNumber = Atomic<UInt8>(LogRole.primary.rawValue)
    private let state: Mutex<State>
    private let clock: @Sendable () -> Int

    /// - Parameter clock: Milliseconds since 1970; by default those of the system.
    init(
        level: LogLevel = .notice, to destination: Destination = .standardOutput,
        clock: @escaping @Sendable () -> Int = Log.systemMilliseconds
    ) {
        threshold = Atomic(level.rank)
        state = Mutex(State(destination: destination))
        self.clock = clock
    }

    // MARK: Writing

    func debug(_ message: @autoclosure () -> String) { write(.debug, message) }
    func verbose(_ message: @autoclosure () -> String) { write(.verbose, message) }
    func notice(_ message: @autoclosure () -> String) { write(.notice, message) }
    func warning(_ message: @autoclosure () -> String) { write(.warning, message) }

    @inline(__always) private func write(_ level: LogLevel, _ message: () -> String) {
        if includes(level) { emit(level, message()) }
    }

    /// Whether lines of `level` are written at present.
    func includes(_ level: LogLevel) -> Bool { level.rank >= threshold.load(ordering: .relaxed) }

    /// Writes a line of a level known only at run time, if that level is included.
    func line(_ level: LogLevel, _ message: @autoclosure () -> String) { write(level, message) }

    private func emit(_ level: LogLevel, _ message: String) {
        let line = LogLine(
            level: level, role: role, processID: getpid(), milliseconds: clock(), message: message)
        state.withLock { state in
            let bytes = line.bytes(state.format)
            switch state.destination {
            case .standardOutput: Self.write(bytes, to: STDOUT_FILENO)
            case .file(let path): Self.append(bytes, to: path)
            case .collector(let collect): collect(bytes)
            }
            if state.syslogIsOpen { Self.writeToSystemLog(level, message) }
        }
    }

    // MARK: Changing

    var level: LogLevel {
        get { LogLevel.allCases.first { $0.rank == threshold.load(ordering: .relaxed) }! }
        set { threshold.store(newValue.rank, ordering: .relaxed) }
    }

    var format: LogFormat {
        get { state.withLock { $0.format } }
        set { state.withLock { $0.format = newValue } }
    }

    /// The role of the process in lines.
    var role: LogRole {
        get { LogRole(rawValue: roleNumber.load(ordering: .relaxed))! }
        set { roleNumber.store(newValue.rawValue, ordering: .relaxed) }
    }

    func redirect(to destination: Destination) { state.withLock { $0.destination = destination } }

    /// From now on also sends each message to the system log. To be called once; the identity is never freed.
    func openSystemLog(identity: String, facility: SyslogFacility) {
        unsafe openlog(strdup(identity), LOG_PID | LOG_NDELAY | LOG_NOWAIT, facility.number)
        state.withLock { $0.syslogIsOpen = true }
    }

    // MARK: Destinations

    private static func append(_ bytes: [UInt8], to path: String) {
        let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return write(bytes, to: STDERR_FILENO) }
        write(bytes, to: descriptor)
        close(descriptor)
    }

    /// If a write fails, the rest of the line is lost: there is nowhere to report it.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return }
            written += count
        }
    }

    private static func writeToSystemLog(_ level: LogLevel, _ message: String) {
        let priority =
            switch level {
            case .debug: LOG_DEBUG
            case .verbose: LOG_INFO
            case .notice: LOG_NOTICE
            case .warning, .nothing: LOG_WARNING
            }
        unsafe message.withCString { text in
            unsafe withVaList([text]) { unsafe vsyslog(priority, "%s", $0) }
        }
    }

    static func systemMilliseconds() -> Int {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }
}

extension SyslogFacility {
    /// The facility's number in the C library.
    fileprivate var number: Int32 {
        switch self {
        case .user: LOG_USER
        case .local0: LOG_LOCAL0
        case .local1: LOG_LOCAL1
        case .local2: LOG_LOCAL2
        case .local3: LOG_LOCAL3
        case .local4: LOG_LOCAL4
        case .local5: LOG_LOCAL5
        case .local6: LOG_LOCAL6
        case .local7: LOG_LOCAL7
        }
    }
}
