// An encrypted connection, by the OpenSSL 3 of this machine, which is looked up when it is first needed. Without it, only encrypted
// connections are refused.

import Glibc

/// The functions of libssl and libcrypto that are needed. Handles are plain pointers.
private struct OpenSSL: @unchecked Sendable {
    typealias Handle = UnsafeMutableRawPointer
    typealias Name = UnsafePointer<CChar>

    let clientMethod: @convention(c) () -> Handle?
    let newContext: @convention(c) (Handle?) -> Handle?
    let freeContext: @convention(c) (Handle?) -> Void
    let setVerification: @convention(c) (Handle?, CInt, Handle?) -> Void
    let loadAuthorities: @convention(c) (Handle?, Name?, Name?) -> CInt
    let useDefaultAuthorities: @convention(c) (Handle?) -> CInt
    let useCertificate: @convention(c) (Handle?, Name?) -> CInt
    let useKey: @convention(c) (Handle?, Name?, CInt) -> CInt
    let setCiphers: @convention(c) (Handle?, Name?) -> CInt
    let setCipherSuites: @convention(c) (Handle?, Name?) -> CInt
    let control: @convention(c) (Handle?, CInt, CLong, UnsafeRawPointer?) -> CLong
    let new: @convention(c) (Handle?) -> Handle?
    let free: @convention(c) (Handle?) -> Void
    let setDescriptor: @convention(c) (Handle?, CInt) -> CInt
    let connect: @convention(c) (Handle?) -> CInt
    let read: @convention(c) (Handle?, UnsafeMutableRawPointer?, CInt) -> CInt
    let write: @convention(c) (Handle?, UnsafeRawPointer?, CInt) -> CInt
    let pending: @convention(c) (Handle?) -> CInt
    let shutdown: @convention(c) (Handle?) -> CInt
    let reason: @convention(c) (Handle?, CInt) -> CInt
    let firstError: @convention(c) () -> CUnsignedLong
    let clearErrors: @convention(c) () -> Void
    let setHostName: @convention(c) (Handle?, Name?) -> CInt
    let parameters: @convention(c) (Handle?) -> Handle?
    let setAddress: @convention(c) (Handle?, Name?) -> CInt
    let verifyResult: @convention(c) (Handle?) -> CLong
    let verifyText: @convention(c) (CLong) -> Name?
    let errorText: @convention(c) (CUnsignedLong, UnsafeMutablePointer<CChar>?, Int) -> Void

    /// nil if there is no OpenSSL 3 on this machine.
    static let loaded: OpenSSL? = OpenSSL()

    private init?() {
        guard let library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL),
            let base = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL)
        else { return nil }
        func find<Function>(_ name: String, _ type: Function.Type, in library: Handle) -> Function? {
            dlsym(library, name).map { unsafeBitCast($0, to: type) }
        }
        guard
            let clientMethod = find("TLS_client_method", (@convention(c) () -> Handle?).self, in: library),
            let newContext = find("SSL_CTX_new", (@convention(c) (Handle?) -> Handle?).self, in: library),
            let freeContext = find("SSL_CTX_free", (@convention(c) (Handle?) -> Void).self, in: library),
            let setVerification = find(
                "SSL_CTX_set_verify", (@convention(c) (Handle?, CInt, Handle?) -> Void).self, in: library),
            let loadAuthorities = find(
                "SSL_CTX_load_verify_locations", (@convention(c) (Handle?, Name?, Name?) -> CInt).self, in: library),
            let useDefaultAuthorities = find(
                "SSL_CTX_set_default_verify_paths", (@convention(c) (Handle?) -> CInt).self, in: library),
            let useCertificate = find(
                "SSL_CTX_use_certificate_chain_file", (@convention(c) (Handle?, Name?) -> CInt).self, in: library),
            let useKey = find(
                "SSL_CTX_use_PrivateKey_file", (@convention(c) (Handle?, Name?, CInt) -> CInt).self, in: library),
            let setCiphers = find(
                "SSL_CTX_set_cipher_list", (@convention(c) (Handle?, Name?) -> CInt).self, in: library),
            let setCipherSuites = find(
                "SSL_CTX_set_ciphersuites", (@convention(c) (Handle?, Name?) -> CInt).self, in: library),
            let control = find(
                "SSL_ctrl", (@convention(c) (Handle?, CInt, CLong, UnsafeRawPointer?) -> CLong).self, in: library),
            let new = find("SSL_new", (@convention(c) (Handle?) -> Handle?).self, in: library),
            let free = find("SSL_free", (@convention(c) (Handle?) -> Void).self, in: library),
            let setDescriptor = find("SSL_set_fd", (@convention(c) (Handle?, CInt) -> CInt).self, in: library),
            let connect = find("SSL_connect", (@convention(c) (Handle?) -> CInt).self, in: library),
            let read = find(
                "SSL_read", (@convention(c) (Handle?, UnsafeMutableRawPointer?, CInt) -> CInt).self, in: library),
            let write = find(
                "SSL_write", (@convention(c) (Handle?, UnsafeRawPointer?, CInt) -> CInt).self, in: library),
            let pending = find("SSL_pending", (@convention(c) (Handle?) -> CInt).self, in: library),
            let shutdown = find("SSL_shutdown", (@convention(c) (Handle?) -> CInt).self, in: library),
            let reason = find("SSL_get_error", (@convention(c) (Handle?, CInt) -> CInt).self, in: library),
            let firstError = find("ERR_get_error", (@convention(c) () -> CUnsignedLong).self, in: base),
            let clearErrors = find("ERR_clear_error", (@convention(c) () -> Void).self, in: base),
            let setHostName = find("SSL_set1_host", (@convention(c) (Handle?, Name?) -> CInt).self, in: library),
            let parameters = find("SSL_get0_param", (@convention(c) (Handle?) -> Handle?).self, in: library),
            let setAddress = find(
                "X509_VERIFY_PARAM_set1_ip_asc", (@convention(c) (Handle?, Name?) -> CInt).self, in: base),
            let verifyResult = find("SSL_get_verify_result", (@convention(c) (Handle?) -> CLong).self, in: library),
            let verifyText = find(
                "X509_verify_cert_error_string", (@convention(c) (CLong) -> Name?).self, in: base),
            let errorText = find(
                "ERR_error_string_n", (@convention(c) (CUnsignedLong, UnsafeMutablePointer<CChar>?, Int) -> Void).self,
                in: base)
        else { return nil }
        self.clientMethod = clientMethod
        self.newContext = newContext
        self.freeContext = freeContext
        self.setVerification = setVerification
        self.loadAuthorities = loadAuthorities
        self.useDefaultAuthorities = useDefaultAuthorities
        self.useCertificate = useCertificate
        self.useKey = useKey
        self.setCiphers = setCiphers
        self.setCipherSuites = setCipherSuites
        self.control = control
        self.new = new
        self.free = free
        self.setDescriptor = setDescriptor
        self.connect = connect
        self.read = read
        self.write = write
        self.pending = pending
        self.shutdown = shutdown
        self.reason = reason
        self.firstError = firstError
        self.clearErrors = clearErrors
        self.setHostName = setHostName
        self.parameters = parameters
        self.setAddress = setAddress
        self.verifyResult = verifyResult
        self.verifyText = verifyText
        self.errorText = errorText
    }

    static let noMessage = "unknown error"

    /// The oldest error as text.
    var message: String {
        let code = firstError()
        guard code != 0 else { return Self.noMessage }
        var text = [CChar](repeating: 0, count: 256)
        errorText(code, &text, text.count)
        clearErrors()
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

final class EncryptedStream {
    private let library: OpenSSL
    private let context: UnsafeMutableRawPointer
    private let stream: UnsafeMutableRawPointer
    private let descriptor: CInt
    private var wantsToWrite = false

    // Of OpenSSL's headers.
    private static let verifyPeer: CInt = 1
    private static let fileTypePEM: CInt = 1
    private static let setServerName: CInt = 55
    private static let setMode: CInt = 33
    /// Parts of what is given may be sent, and it may have moved when the rest is.
    private static let flexibleWrites = 1 | 2
    private static let wantRead: CInt = 2
    private static let wantWrite: CInt = 3
    private static let errorSystem: CInt = 5
    private static let errorClosed: CInt = 6

    /// Sets the encryption up on a connected socket, which the caller closes afterwards.
    init(on descriptor: CInt, _ server: ServerOptions) throws(ConnectionFailure) {
        guard let library = OpenSSL.loaded else {
            throw .encryption("encrypted connections need OpenSSL 3 (on Debian: apt install libssl3)")
        }
        guard let context = library.newContext(library.clientMethod()) else { throw .encryption(library.message) }
        self.library = library
        self.context = context
        self.descriptor = descriptor
        do throws(ConnectionFailure) {
            try Self.configure(context, library, server.encryption)
            guard let stream = library.new(context) else { throw .encryption(library.message) }
            self.stream = stream
        } catch {
            library.freeContext(context)
            throw error
        }
        let name = server.encryption.serverName
        if let name {
            _ = Text.withCString(name) { library.control(stream, Self.setServerName, 0, $0) }
        }
        // All properties are set: what was allocated is freed with this object, whatever is thrown.
        if server.encryption.verifiesHost { try expectName(name, server) }
        guard library.setDescriptor(stream, descriptor) == 1, connects() else {
            let code = errno
            let message = library.message
            throw message == OpenSSL.noMessage && code == EAGAIN ? .system(code: ETIMEDOUT) : explained(message)
        }
    }

    /// From now on the certificate must be one of this name or address.
    private func expectName(_ name: Bytes?, _ server: ServerOptions) throws(ConnectionFailure) {
        var expected = name
        if expected == nil, server.socketPath == nil { expected = server.host }
        guard let expected else { throw .encryption("--verify-host with a socket file needs a name: --sni") }
        let isKnown = Text.withCString(expected) {
            library.setAddress(library.parameters(stream), $0) == 1 || library.setHostName(stream, $0) == 1
        }
        guard isKnown else { throw .encryption("--verify-host: \(Text.string(expected)) is no name of a host") }
    }

    /// Why the connection could not be set up, and what to try.
    private func explained(_ message: String) -> ConnectionFailure {
        let result = library.verifyResult(stream)
        if result != 0, let text = library.verifyText(result) {
            return .encryption(
                "TLS: certificate verify failed: \(String(cString: text)) (--cacert names whom to trust, --insecure checks nothing)"
            )
        }
        if message.contains("wrong version number") {
            return .encryption("TLS: \(message) (perhaps this port is not an encrypted one)")
        }
        return .encryption("TLS: \(message)")
    }

    /// Sets the connection up. Afterwards the socket does not wait by itself, as a record may come in parts.
    private func connects() -> Bool {
        library.clearErrors()
        guard library.connect(stream) == 1 else { return false }
        _ = library.control(stream, Self.setMode, Self.flexibleWrites, nil)
        return fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0
    }

    private static func configure(
        _ context: UnsafeMutableRawPointer, _ library: OpenSSL, _ options: EncryptionOptions
    ) throws(ConnectionFailure) {
        func check(_ isGood: Bool, _ what: String) throws(ConnectionFailure) {
            guard isGood else { throw .encryption("\(what): \(library.message)") }
        }
        func withOptional(_ text: Bytes?, _ body: (UnsafePointer<CChar>?) -> CInt) -> CInt {
            guard let text else { return body(nil) }
            return Text.withCString(text) { body($0) }
        }
        library.setVerification(context, options.isInsecure ? 0 : verifyPeer, nil)
        if options.authorityFile != nil || options.authorityFolder != nil {
            let code = withOptional(options.authorityFile) { file in
                withOptional(options.authorityFolder) { library.loadAuthorities(context, file, $0) }
            }
            try check(code == 1, "Failed to configure CA certificate(s) file/directory")
        } else {
            try check(library.useDefaultAuthorities(context) == 1, "Failed to use default CA paths")
        }
        if (options.certificateFile == nil) != (options.keyFile == nil) {
            throw .encryption("--cert and --key are only useful together")
        }
        if let file = options.certificateFile {
            try check(
                Text.withCString(file) { library.useCertificate(context, $0) } == 1, "Invalid client certificate")
        }
        if let file = options.keyFile {
            try check(Text.withCString(file) { library.useKey(context, $0, fileTypePEM) } == 1, "Invalid private key")
        }
        if let ciphers = options.ciphers {
            try check(Text.withCString(ciphers) { library.setCiphers(context, $0) } == 1, "Error while setting ciphers")
        }
        if let suites = options.cipherSuites {
            try check(
                Text.withCString(suites) { library.setCipherSuites(context, $0) } == 1,
                "Error while setting cipher suites")
        }
    }

    /// Tells the server that there is nothing more. The stream cannot be used afterwards.
    func end() {
        library.clearErrors()
        _ = library.shutdown(stream)
    }

    deinit {
        library.free(stream)
        library.freeContext(context)
    }

    var hasPending: Bool { library.pending(stream) > 0 }

    /// Sends as much as the socket takes; returns how many bytes, possibly 0. Then the same bytes must be given again.
    func send(_ bytes: ArraySlice<UInt8>) throws(ConnectionFailure) -> Int {
        library.clearErrors()
        let count = bytes.withUnsafeBytes {
            library.write(stream, $0.baseAddress, CInt(clamping: min($0.count, 1 << 30)))
        }
        if count > 0 { return Int(count) }
        try check(count)
        return 0
    }

    /// Waits until the socket is ready for what the last call wanted.
    func wait() {
        var waiting = pollfd(
            fd: descriptor, events: Int16(wantsToWrite ? POLLOUT : POLLIN), revents: 0)
        _ = poll(&waiting, 1, -1)
    }

    /// Receives bytes; nil if there are none now.
    func receive(into buffer: inout Bytes) throws(ConnectionFailure) -> Int? {
        library.clearErrors()
        let count = buffer.withUnsafeMutableBytes {
            library.read(stream, $0.baseAddress, CInt(clamping: $0.count))
        }
        if count > 0 { return Int(count) }
        try check(count)
        return nil
    }

    private func check(_ result: CInt) throws(ConnectionFailure) {
        let code = errno
        switch library.reason(stream, result) {
        case Self.wantRead: wantsToWrite = false
        case Self.wantWrite: wantsToWrite = true
        case Self.errorClosed: throw .closed
        case Self.errorSystem where code == EINTR: break
        case Self.errorSystem: throw code == 0 ? .closed : .system(code: code)
        default:
            // A peer that closes without saying so is "unexpected eof" to OpenSSL 3.
            let message = library.message
            throw message.contains("unexpected eof") ? .closed : .encryption("TLS: \(message)")
        }
    }
}
