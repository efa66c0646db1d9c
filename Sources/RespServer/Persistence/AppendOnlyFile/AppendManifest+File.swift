// The manifest as a file.

import Glibc
import RespCodec

extension AppendManifest {
    /// More bytes than any has.
    private static let largest = 16 << 20

    /// Reads it from a file.
    /// - Parameter path: of the directory, for texts.
    /// - Returns: nil if there is no such file.
    init?(readingFrom name: String, in files: DataDirectory, path: String) throws(AppendFileError) {
        guard let size = files.byteCount(of: name) else { return nil }
        let content: [UInt8]
        do throws(SyscallError) {
            guard size <= Self.largest else { throw SyscallError("read", EFBIG) }
            content = try files.openFile(name).readAll(atMost: Self.largest)
        } catch {
            throw AppendFileError(
                "Fatal error: can't open the AOF manifest file \(path)/\(name) for reading: \(error.reason)")
        }
        do throws(Mistake) {
            self = try content.withByteSlice { (content) throws(Mistake) in try AppendManifest(parsing: content) }
        } catch {
            let title = "*** FATAL AOF MANIFEST FILE ERROR *** in \(path)/\(name)"
            guard error.line > 0 else { throw AppendFileError(title, error.reason) }
            throw AppendFileError(
                title, "Reading the manifest file, at line \(error.line)", ">>> '\(error.text)'", error.reason)
        }
    }
}
