// Readiness of descriptors. Connections are watched by edges: an event says that something has come, not that something is there, so
// that the kernel need not look again at what has been emptied. Who reads until less came than was asked for has read everything;
// who stops earlier must come back by himself. `modify` tells again of what is there.
//
// Each is registered with a word that comes back with its events: the descriptor below, a registration
// number above, so that an event meant for a closed descriptor is not taken for its successor's.

import CLinux
import Glibc

@safe struct Epoll: ~Copyable {
    struct Event {
        let word: UInt64
        let flags: UInt32
        var isReadable: Bool { flags & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
        /// The peer has closed its side, so the end follows what is there to read.
        var isHangUp: Bool { flags & (EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
        var isWritable: Bool { flags & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
    }

    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private static let capacity = 256

    init() throws(SyscallError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw SyscallError("epoll_create1") }
        unsafe events = .allocate(capacity: Self.capacity)
    }

    deinit {
        close(descriptor)
        unsafe events.deallocate()
    }

    static func word(_ descriptor: Int32, registration: UInt64) -> UInt64 {
        UInt64(UInt32(bitPattern: descriptor)) | registration << 32
    }

    /// Watches a descriptor that is readable until it has been emptied: a listener, a timer.
    func addByLevel(_ watched: Int32, word: UInt64) throws(SyscallError) {
        try unsafe add(watched, epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: word)))
    }

    /// Watches a connection by edges.
    func add(_ watched: Int32, word: UInt64) throws(SyscallError) {
        try unsafe add(watched, epoll_event(events: interest(writing: false), data: epoll_data_t(u64: word)))
    }

    private func add(_ watched: Int32, _ event: epoll_event) throws(SyscallError) {
        var event = unsafe event
        guard unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, watched, &event) == 0 else { throw SyscallError("epoll_ctl") }
    }

    func modify(_ watched: Int32, word: UInt64, writing: Bool) {
        var event = unsafe epoll_event(events: interest(writing: writing), data: epoll_data_t(u64: word))
        unsafe epoll_ctl(descriptor, EPOLL_CTL_MOD, watched, &event)
    }

    /// Has a descriptor that was watched by edges watched as long as it is readable.
    func modifyToLevel(_ watched: Int32, word: UInt64) {
        var event = unsafe epoll_event(events: EPOLLRDHUP.rawValue | EPOLLIN.rawValue, data: epoll_data_t(u64: word))
        unsafe epoll_ctl(descriptor, EPOLL_CTL_MOD, watched, &event)
    }

    func remove(_ watched: Int32) {
        var event = unsafe epoll_event()
        unsafe epoll_ctl(descriptor, EPOLL_CTL_DEL, watched, &event)
    }

    private func interest(writing: Bool) -> UInt32 {
        EPOLLET.rawValue | EPOLLRDHUP.rawValue | EPOLLIN.rawValue | (writing ? EPOLLOUT.rawValue : 0)
    }

    /// Waits for events, unless that would block and must not, and returns how many there are.
    func wait(blocking: Bool) -> Int {
        let count = unsafe epoll_wait(descriptor, events, Int32(Self.capacity), blocking ? -1 : 0)
        return max(0, Int(count))
    }

    subscript(index: Int) -> Event {
        precondition(index >= 0 && index < Self.capacity, "an event outside the batch")
        return unsafe Event(word: events[index].data.u64, flags: events[index].events)
    }
}
