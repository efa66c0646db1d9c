// What the log gets of a process that crashes: the signal, and the calls that led there. Whoever waits for the process, or for its core file, sees the
// same end as without.
//
// A handler may allocate nothing and take no lock: texts are written as they are, and where they go is prepared before.

import CLinux
import Glibc
import Synchronization

enum CrashReport {
    private static let signals = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP]
    private static let mostCalls: Int32 = 100
    /// The address of the log file's name; 0 for the standard output. Names stay in memory, as a handler may be reading one.
    private static let fileName = Atomic<UInt>(0)

    /// Whether the handlers are these.
    private static let isInstalled = Atomic<Bool>(false)

    /// - Parameters:
    ///   - isOn: whether there is to be a report.
    ///   - logFile: where it goes; the standard output if it is empty.
    static func follow(isOn: Bool, logFile: String) {
        // A sanitizer has a report of its own, and the runtime of Swift has if it is asked for.
        #if ADDRESS_SANITIZER
        return
        #else
        if unsafe getenv("SWIFT_BACKTRACE") != nil { return }
        #endif
        let wasOn = isInstalled.exchange(isOn, ordering: .sequentiallyConsistent)
        if isOn && !wasOn {
            unsafe fileName.store(
                logFile.isEmpty ? 0 : UInt(bitPattern: strdup(logFile)), ordering: .sequentiallyConsistent)
            // The first call may load a library.
            unsafe withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: 1) { calls in
                _ = unsafe backtrace(calls.baseAddress!, 1)
            }
            for number in signals { install(number) }
        } else if wasOn && !isOn {
            for number in signals { signal(number, SIG_DFL) }
        }
    }

    private static func install(_ number: Int32) {
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { CrashReport.report($0) }
        // SA_RESETHAND and SA_NODEFER: it ends the process the second time, however far the report has come.
        action.sa_flags = Int32(bitPattern: 0x8000_0000) | 0x4000_0000
        unsafe sigaction(number, &action, nil)
    }

    /// Ends the process as a fault of the program does.
    static func crash() { raise(SIGSEGV) }

    /// What the log is written to; opened anew if it is a file.
    private static func openLog() -> Int32 {
        let name = fileName.load(ordering: .sequentiallyConsistent)
        guard let name = unsafe UnsafePointer<CChar>(bitPattern: name) else { return STDOUT_FILENO }
        let file = unsafe open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        return file >= 0 ? file : STDOUT_FILENO
    }

    /// Adds a line to the log from within the handler of a signal, after which the process ends.
    static func tell(_ line: StaticString) { write(line, to: openLog()) }

    private static func report(_ number: Int32) {
        let descriptor = openLog()
        write("\n\n=== BUG REPORT START: Cut & paste starting from here ===\n", to: descriptor)
        write("The server crashed by signal: ", to: descriptor)
        write(UInt32(bitPattern: number), to: descriptor)
        write("\n\n------ STACK TRACE ------\n", to: descriptor)
        unsafe withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: Int(mostCalls)) { calls in
            let count = unsafe backtrace(calls.baseAddress!, mostCalls)
            unsafe backtrace_symbols_fd(calls.baseAddress!, count, descriptor)
        }
        write(
            "\n=== BUG REPORT END. The settings and the log of what led here help whoever looks into it ===\n\n",
            to: descriptor)
        raise(number)
    }

    private static func write(_ text: StaticString, to descriptor: Int32) {
        unsafe _ = Glibc.write(descriptor, text.utf8Start, text.utf8CodeUnitCount)
    }

    private static func write(_ number: UInt32, to descriptor: Int32) {
        // Two digits are enough for any signal.
        var digits =
            UInt16(UInt8(ascii: "0") + UInt8(number / 10 % 10)) | UInt16(UInt8(ascii: "0") + UInt8(number % 10)) << 8
        unsafe _ = Glibc.write(descriptor, &digits, 2)
    }
}
