// The manifest as a file, which is replaced as a whole.

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

/// Where the manifest is. Any thread may replace it, as long as one does at a time.
struct AppendManifestFile: Sendable {
    let files: DataDirectory
    let name: String
    let watch: AppendFileWatch
    var temporaryName: String { "temp-\(name)" }

    /// Puts a manifest in the place of the old one, on the disk, too. Where that fails the old one is there.
    func replace(_ old: AppendManifest, with new: AppendManifest) throws(SyscallError) {
        do throws(SyscallError) {
            try write(new)
        } catch {
            files.remove(temporaryName)
            throw error
        }
        do throws(SyscallError) {
            try files.sync()
        } catch {
            // Which of the two a start would find is not known: it is to be the one by which this server goes on.
            if old.isEmpty { files.remove(name) } else { try? write(old, syncs: false) }
            throw error
        }
    }

    /// Whether the manifest that is there may name a file.
    func mayName(_ file: String) -> Bool {
        let manifest = try? AppendManifest(readingFrom: name, in: files, path: "")
        return manifest?.files.contains { $0.name == file } ?? (files.byteCount(of: name) != nil)
    }

    /// Removes what is history, and then leaves it out of the manifest.
    func removeHistory(of manifest: AppendManifest, _ log: Log) {
        for name in manifest.history.map(\.name) {
            log.notice("Removing the history file \(name) in the background")
            files.remove(name)
        }
        var rest = manifest
        rest.forgetHistory()
        do throws(SyscallError) {
            try replace(manifest, with: rest)
        } catch {
            // What it still names is not there, and is not looked for.
            log.warning("The AOF manifest file \(name) could not be written: \(error)")
        }
    }

    private func write(_ manifest: AppendManifest, syncs: Bool = true) throws(SyscallError) {
        let file = try files.makeFile(temporaryName)
        try file.writeAll(manifest.text)
        if syncs { try file.sync() }
        try file.close()
        try watch.follow(manifest) { () throws(SyscallError) in try files.rename(temporaryName, to: name) }
    }
}
