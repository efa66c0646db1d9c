// Readiness of descriptors. Each is registered with a word that comes back with its events: the descriptor below, a registration
// number above, so that an event meant for a closed descriptor is not taken for its successor's.

import CLinux
import Glibc

struct Epoll: ~Copyable {
    struct Event {
        let word: UInt64
        let flags: UInt32
        var isReadable: Bool { flags & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
        var isWritable: Bool { flags & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
    }

    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private static let capacity = 256

    init() throws(SyscallError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw SyscallError("epoll_create1") }
        events = .allocate(capacity: Self.capacity)
    }

    deinit {
        close(descriptor)
        events.deallocate()
    }

    static func word(_ descriptor: Int32, registration: UInt64) -> UInt64 {
        UInt64(UInt32(bitPattern: descriptor)) | registration << 32
    }

    func add(_ watched: Int32, word: UInt64, writing: Bool = false) throws(SyscallError) {
        var event = epoll_event(events: interest(writing), data: epoll_data_t(u64: word))
        guard epoll_ctl(descriptor, EPOLL_CTL_ADD, watched, &event) == 0 else { throw SyscallError("epoll_ctl") }
    }

    func modify(_ watched: Int32, word: UInt64, reading: Bool = true, writing: Bool) {
        var event = epoll_event(
            events: (reading ? EPOLLIN.rawValue : 0) | (writing ? EPOLLOUT.rawValue : 0), data: epoll_data_t(u64: word))
        epoll_ctl(descriptor, EPOLL_CTL_MOD, watched, &event)
    }

    func remove(_ watched: Int32) {
        var event = epoll_event()
        epoll_ctl(descriptor, EPOLL_CTL_DEL, watched, &event)
    }

    private func interest(_ writing: Bool) -> UInt32 { EPOLLIN.rawValue | (writing ? EPOLLOUT.rawValue : 0) }

    /// Waits up to `milliseconds` and returns how many events there are.
    func wait(milliseconds: Int32) -> Int {
        let count = epoll_wait(descriptor, events, Int32(Self.capacity), milliseconds)
        return max(0, Int(count))
    }

    subscript(index: Int) -> Event {
        precondition(index >= 0 && index < Self.capacity, "an event outside the batch")
        return Event(word: events[index].data.u64, flags: events[index].events)
    }
}
