// Sockets that wait for clients: TCP on IPv4 and IPv6, and a socket in the file system.

import CLinux
import Glibc

struct Listener {
    let descriptor: Int32
    let isUnix: Bool
    /// The port in use, when it is TCP.
    let port: Int

    func close() { Glibc.close(descriptor) }

    /// Listens on one address as `bind` names it ("*", "::*", "127.0.0.1", "::1", "localhost").
    static func tcp(_ address: String, port: Int, backlog: Int) throws(SyscallError) -> Listener {
        let isAnySix = address == "::*"
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = isAnySix || address.contains(":") ? AF_INET6 : address == "*" ? AF_INET : AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE
        var found: UnsafeMutablePointer<addrinfo>?
        let name: String? = isAnySix || address == "*" ? nil : address
        guard unsafe getaddrinfo(name, String(port), &hints, &found) == 0, let info = unsafe found else {
            throw SyscallError("getaddrinfo", ENOENT)
        }
        defer { unsafe freeaddrinfo(found) }
        let descriptor = unsafe socket(
            info.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SyscallError("socket") }
        Syscall.setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if unsafe info.pointee.ai_family == AF_INET6 {
            Syscall.setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
        }
        guard unsafe bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0,
            listen(descriptor, Int32(backlog)) == 0
        else {
            let error = SyscallError("bind")
            Glibc.close(descriptor)
            throw error
        }
        return Listener(descriptor: descriptor, isUnix: false, port: boundPort(descriptor))
    }

    private static func boundPort(_ descriptor: Int32) -> Int {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            let address = UnsafeMutableRawPointer(pointer)
            guard unsafe getsockname(descriptor, address.assumingMemoryBound(to: sockaddr.self), &length) == 0 else {
                return 0
            }
            // The port lies at the same place in both families.
            return unsafe Int(UInt16(bigEndian: address.load(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    static func unix(_ path: String, permissions: Int, backlog: Int) throws(SyscallError) -> Listener {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SyscallError("bind", ENAMETOOLONG)
        }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SyscallError("socket") }
        unsafe unlink(path)
        // The mode holds from the first moment on: a socket that were open to more until `chmod` could be connected to.
        let mask = permissions == 0 ? nil : umask(~mode_t(permissions) & 0o777)
        defer { if let mask { umask(mask) } }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe bind(
                descriptor, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        guard result == 0, unsafe permissions == 0 || chmod(path, mode_t(permissions)) == 0,
            listen(descriptor, Int32(backlog)) == 0
        else {
            let error = SyscallError("bind")
            Glibc.close(descriptor)
            throw error
        }
        return Listener(descriptor: descriptor, isUnix: true, port: 0)
    }

    /// "127.0.0.1:6379", or "[::1]:6379"; empty when the socket is gone.
    static func address(of descriptor: Int32, peer: Bool) -> String {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer -> String in
            let raw = UnsafeMutableRawPointer(pointer)
            let address = unsafe raw.assumingMemoryBound(to: sockaddr.self)
            let result =
                unsafe peer ? getpeername(descriptor, address, &length) : getsockname(descriptor, address, &length)
            guard result == 0 else { return "" }
            var text = [CChar](repeating: 0, count: 64)
            let port = unsafe UInt16(bigEndian: raw.load(fromByteOffset: 2, as: UInt16.self))
            let isSix = unsafe Int32(address.pointee.sa_family) == AF_INET6
            unsafe inet_ntop(Int32(address.pointee.sa_family), raw + (isSix ? 8 : 4), &text, 64)
            let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return isSix ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}
