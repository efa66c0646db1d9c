// Scripts of requests with the replies that they must get, run in engines that keep values in different encodings.

import Testing

@testable import StoreEngine

/// The bytes of a text, one for each character up to U+00FF.
private func bytes(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }

/// Runs requests in an engine with the usual limits of small encodings, and in one where all collections are large from the start.
func expectReplies(_ script: [(request: [String], reply: String)], sourceLocation: SourceLocation = #_sourceLocation) {
    for keepsSmall in [true, false] {
        let engine = Engine(seed: 1)
        engine.setTime(1_800_000_000_000)
        if !keepsSmall {
            engine.settings.hashMaxPackedEntries = 0
            engine.settings.setMaxIntsetEntries = 0
            engine.settings.setMaxPackedEntries = 0
            engine.settings.sortedSetMaxPackedEntries = 0
            engine.settings.listMaxPackedSize = 1
            engine.settings.streamNodeMaxEntries = 1
            engine.settings.hyperLogLogSparseMaxBytes = 0
        }
        for (request, reply) in script {
            let found = engine.execute(request.map(bytes), version: .resp2)
            #expect(
                found == bytes(reply),
                "\(request) is answered \(String(decoding: found, as: UTF8.self)), small: \(keepsSmall)",
                sourceLocation: sourceLocation)
        }
    }
}
