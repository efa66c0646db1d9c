// sources: Sources/RespServer/Persistence/AppendOnlyFile/AppendManifest.swift
// modules: RespCodec
//
// Any bytes are read as the manifest of an append-only file. What is one is written and read again as the same, and names only files of its own
// directory.

import RespCodec

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAppendManifest(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    let content = Array(UnsafeRawBufferPointer(start: start, count: count))
    guard let manifest = try? content.withByteSlice({ try AppendManifest(parsing: $0) }) else { return 0 }
    for file in manifest.files + manifest.history {
        precondition(
            !file.name.contains("/") && !file.name.isEmpty && file.name != ".." && file.sequence > 0, "a file elsewhere"
        )
    }
    // Of nothing but notes there is nothing to be written.
    guard !manifest.files.isEmpty || !manifest.history.isEmpty else { return 0 }
    guard let again = try? manifest.text.withByteSlice({ try AppendManifest(parsing: $0) }) else {
        // A name may be long: quoted, it is too long for a line.
        precondition(
            manifest.text.split(separator: 0x0A).contains { $0.count >= 1000 }, "what was written is no manifest")
        return 0
    }
    precondition(again == manifest, "what was written is another")
    var next = manifest
    next.addIncrement(next.nextIncrementName(of: "log"))
    next.replaceBase(with: next.nextBaseName(of: "log", isSnapshot: true), keepingIncrements: 1)
    precondition(next.files.count == 2 && next.increments.count == 1, "not what a rewrite makes")
    return 0
}
