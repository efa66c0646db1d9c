// Who started the server, and wants to be told when it serves and when it ends.
//
// systemd hands over the address of a datagram socket in the environment (sd_notify(3)): the path of a socket file, or a
// name behind "@" in the abstract namespace, where a zero byte stands for the "@". Each message is lines of NAME=VALUE.
// upstart waits until the process stops itself.

import Glibc

struct Supervisor {
    enum Kind: String {
        case none = "no"
        case systemd, upstart
    }

    let kind: Kind
    /// Where systemd listens.
    private let address: [UInt8]
    /// What is missing of what the setting asks for.
    let problem: String?

    init(_ setting: Supervision = .no) {
        let socket = unsafe getenv("NOTIFY_SOCKET")
        let hasJob = unsafe getenv("UPSTART_JOB") != nil
        address = unsafe socket.map { unsafe Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) } ?? []
        switch setting {
        case .no:
            kind = .none
            problem = nil
        case .systemd:
            kind = unsafe socket == nil ? .none : .systemd
            problem = unsafe socket == nil ? "systemd supervision requested, but NOTIFY_SOCKET is not set" : nil
        case .upstart:
            kind = hasJob ? .upstart : .none
            problem = hasJob ? nil : "upstart supervision requested, but UPSTART_JOB is not set"
        case .auto:
            kind = unsafe hasJob ? .upstart : socket != nil ? .systemd : .none
            problem = nil
        }
    }

    /// The server serves. `status` is for people.
    ///
    /// - Returns: Why nobody could be told, or nil.
    func tellReady(status: String) -> SyscallError? {
        switch kind {
        case .none: return nil
        case .systemd: return send("READY=1\nSTATUS=\(status)\n")
        case .upstart:
            raise(SIGSTOP)
            return nil
        }
    }

    func tellStopping(status: String) -> SyscallError? {
        kind == .systemd ? send("STOPPING=1\nSTATUS=\(status)\n") : nil
    }

    private func send(_ message: String) -> SyscallError? {
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        let isAbstract = address.first == UInt8(ascii: "@")
        guard isAbstract || address.first == UInt8(ascii: "/"),
            address.count < MemoryLayout.size(ofValue: target.sun_path)
        else { return SyscallError("NOTIFY_SOCKET", EINVAL) }
        unsafe withUnsafeMutableBytes(of: &target.sun_path) {
            unsafe $0.copyBytes(from: address)
            if isAbstract { unsafe $0[0] = 0 }
        }
        // An abstract name ends where the address does, a path with a zero byte.
        let length = MemoryLayout.offset(of: \sockaddr_un.sun_path)! + address.count + (isAbstract ? 0 : 1)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return SyscallError("socket") }
        defer { close(descriptor) }
        let bytes = Array(message.utf8)
        let sent = unsafe withUnsafePointer(to: &target) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
        return sent == bytes.count ? nil : SyscallError("sendto")
    }
}
