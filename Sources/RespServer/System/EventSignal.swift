// A descriptor by which one thread tells another that there is something to look at. Signals that were not looked at count as one.

import CLinux
import Glibc

final class EventSignal: Sendable {
    let descriptor: Int32

    init() throws(SyscallError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw SyscallError("eventfd") }
    }

    deinit { close(descriptor) }

    func send() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Takes note of all signals so far.
    func take() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, MemoryLayout<UInt64>.size)
    }

    /// Waits for a signal, and takes note of it.
    func wait() {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&entry, 1, -1) < 0 && errno == EINTR {}
        take()
    }
}
