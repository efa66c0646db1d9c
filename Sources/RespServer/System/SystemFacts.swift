// Properties of the system and of this process.

import Glibc

enum SystemFacts {
    static let operatingSystem: String = {
        var name = utsname()
        guard unsafe uname(&name) == 0 else { return "unknown" }
        func text<Field>(_ field: Field) -> String {
            unsafe withUnsafeBytes(of: field) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return "\(text(name.sysname)) \(text(name.release)) \(text(name.machine))"
    }()

    static let executable: String = {
        var path = [CChar](repeating: 0, count: 4096)
        let length = unsafe readlink("/proc/self/exe", &path, path.count)
        return length > 0 ? String(decoding: path[0..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    }()

    private static let pageSize = sysconf(Int32(_SC_PAGESIZE))
    static let totalMemory = sysconf(Int32(_SC_PHYS_PAGES)) * pageSize

    /// The second number of /proc/self/statm counts resident pages.
    static var residentBytes: Int {
        guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard unsafe fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * pageSize : 0
    }

    static var processID: Int32 { getpid() }

    /// Whether there is a process of a number.
    static func isRunning(_ process: Int32) -> Bool { kill(process, 0) == 0 || errno != ESRCH }

    /// Whose time of the processor is meant.
    enum Consumer: Int32 {
        /// RUSAGE_SELF: all threads.
        case process = 0
        /// RUSAGE_CHILDREN: those that have ended.
        case children = -1
        /// RUSAGE_THREAD, which Swift's Glibc module lacks.
        case thread = 1
    }

    static func processorTime(of consumer: Consumer) -> ProcessorTime {
        var usage = rusage()
        unsafe getrusage(consumer.rawValue, &usage)
        func microseconds(_ time: timeval) -> Int { Int(time.tv_sec) * 1_000_000 + Int(time.tv_usec) }
        return ProcessorTime(
            userMicroseconds: microseconds(usage.ru_utime), systemMicroseconds: microseconds(usage.ru_stime))
    }
}

/// What was used of the processor, by the program and by the system for it.
struct ProcessorTime {
    let userMicroseconds: Int
    let systemMicroseconds: Int
}
