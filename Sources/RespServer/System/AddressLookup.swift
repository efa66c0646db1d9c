// Finding the addresses of a host by its name. A name server that does not answer is waited for many seconds, and nothing can interrupt that: so a
// thread does it that is there for nothing else, and whoever has asked may go on without it.

import CLinux
import Glibc
import Synchronization

final class AddressLookup: Sendable {
    /// What a socket is made of and connected to.
    struct Address: Sendable, Equatable {
        let family: Int32
        let kind: Int32
        let protocolNumber: Int32
        /// A `sockaddr` of that family.
        let bytes: [UInt8]
    }

    /// Finds the addresses of a host; only those that need no look at names, if `isNumeric`.
    typealias Finder = @Sendable (_ host: [UInt8], _ port: Int32, _ isNumeric: Bool) -> [Address]

    /// How many may run at a time, those included that nobody waits for any more.
    static let mostRunning = 16
    private static let running = Mutex(0)

    /// No name of a host is longer.
    private static let longestHost = 1024

    /// Says that the addresses are known.
    let signal: EventSignal
    private let found = Mutex<[Address]?>(nil)
    private let find: @Sendable () -> [Address]

    /// The addresses, none if there is no such host; nil until that is known.
    var addresses: [Address]? { found.withLock { $0 } }

    /// Begins to look.
    /// - Returns: nil if too many are under way, or where there is no room for another thread.
    init?(of host: [UInt8], port: Int32, _ finder: @escaping Finder) {
        guard let signal = try? EventSignal() else { return nil }
        self.signal = signal
        find = { finder(host, port, false) }
        let mayRun = Self.running.withLock { running in
            guard running < Self.mostRunning else { return false }
            running += 1
            return true
        }
        guard mayRun else { return nil }
        let context = unsafe Unmanaged.passRetained(self)
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<AddressLookup>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            Self.running.withLock { $0 -= 1 }
            return nil
        }
        pthread_detach(thread)
    }

    private func run() {
        let addresses = find()
        found.withLock { $0 = addresses }
        Self.running.withLock { $0 -= 1 }
        signal.send()
    }

    /// Asks the system.
    static let find: Finder = { host, port, isNumeric in
        guard host.count <= longestHost else { return [] }
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        if isNumeric { unsafe hints.ai_flags = AI_NUMERICHOST }
        var list: UnsafeMutablePointer<addrinfo>?
        let hostText = (host + [0]).map { CChar(bitPattern: $0) }
        guard unsafe getaddrinfo(hostText, String(port), &hints, &list) == 0 else { return [] }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [Address] = []
        var next = unsafe list
        while let entry = unsafe next {
            let bytes = unsafe UnsafeRawBufferPointer(
                start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
            unsafe addresses.append(
                Address(
                    family: entry.pointee.ai_family, kind: entry.pointee.ai_socktype,
                    protocolNumber: entry.pointee.ai_protocol, bytes: Array(bytes)))
            unsafe next = entry.pointee.ai_next
        }
        return addresses
    }
}
