// Something that clients are told without having asked for it just then.

import RespCodec

/// It is put into bytes once for each protocol version, however many clients get it.
@safe final class Message {
    private let write: (ReplyWriter) -> Void
    private var resp2: UnsafeRawBufferPointer?
    private var resp3: UnsafeRawBufferPointer?

    /// - Parameter write: writes it as a reply; called at most once for each version, before `push` returns.
    init(_ write: @escaping (ReplyWriter) -> Void) { self.write = write }

    deinit {
        unsafe resp2?.deallocate()
        unsafe resp3?.deallocate()
    }

    /// - Parameter encoder: an empty writer, which is left empty.
    func encode(_ version: ProtocolVersion, with encoder: ReplyWriter) {
        guard unsafe (version == .resp2 ? resp2 : resp3) == nil else { return }
        encoder.version = version
        write(encoder)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: encoder.count, alignment: 1)
        unsafe bytes.copyMemory(from: encoder.written(0..<encoder.count).rawBytes)
        if version == .resp2 {
            unsafe resp2 = UnsafeRawBufferPointer(bytes)
        } else {
            unsafe resp3 = UnsafeRawBufferPointer(bytes)
        }
        encoder.removeAll(keeping: 64 * 1024)
    }

    /// Its bytes for a version for which it was encoded. They last as long as the message.
    func bytes(_ version: ProtocolVersion) -> UnsafeRawBufferPointer {
        guard let bytes = unsafe version == .resp2 ? resp2 : resp3 else {
            preconditionFailure("a message that was not encoded")
        }
        return unsafe bytes
    }
}
