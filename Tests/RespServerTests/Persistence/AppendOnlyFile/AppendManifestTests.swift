// Goal: a manifest is read and written as Redis does it, and what is none is refused with the text that Redis has for it.

import RespCodec
import TestSupport
import Testing

@testable import RespServer

@Suite struct AppendManifestTests {
    private func parse(_ text: String) throws -> AppendManifest {
        try Array(text.utf8).withByteSlice { try AppendManifest(parsing: $0) }
    }

    private func text(_ manifest: AppendManifest) -> String { String(decoding: manifest.text, as: UTF8.self) }

    @Test func whatIsWrittenIsRead() throws {
        let content = """
            file appendonly.aof.2.base.rdb seq 2 type b
            file appendonly.aof.1.base.rdb seq 1 type h
            file appendonly.aof.3.incr.aof seq 3 type h
            file appendonly.aof.4.incr.aof seq 4 type i
            file appendonly.aof.7.incr.aof seq 7 type i

            """
        let manifest = try parse(content)
        #expect(text(manifest) == content)
        #expect(
            manifest.files.map(\.name) == [
                "appendonly.aof.2.base.rdb", "appendonly.aof.4.incr.aof", "appendonly.aof.7.incr.aof",
            ])
        #expect(manifest.lastBase == 2 && manifest.lastIncrement == 7)
        #expect(try parse(text(manifest)) == manifest)
    }

    @Test func notesAndOrderAndLaterFieldsAreFree() throws {
        let manifest = try parse(
            "# a note\nType i later 5 SEQ 3  file  a.3\r\n# another\n\t file b.1 seq 1 type base \n")
        #expect(text(manifest) == "file b.1 seq 1 type b\nfile a.3 seq 3 type i\n")
    }

    @Test func namesAreQuotedWhereTheyMustBe() throws {
        let manifest = try parse("file \"a file \\\"x\\\".1.base.rdb\" seq 1 type b\n")
        #expect(manifest.base?.name == "a file \"x\".1.base.rdb")
        #expect(text(manifest) == "file \"a file \\\"x\\\".1.base.rdb\" seq 1 type b\n")
    }

    @Test(arguments: [
        ("", 0, "Found an empty AOF manifest"),
        ("\n", 1, "Invalid AOF manifest file format"),
        ("file a seq 1 type b\n\nfile b seq 1 type i\n", 2, "Invalid AOF manifest file format"),
        ("file a seq 1 type b", 0, "The AOF manifest file contains too long line"),
        (
            "file \(String(repeating: "a", count: 1100)) seq 1 type b\n", 0,
            "The AOF manifest file contains too long line"
        ),
        ("file a seq 1\n", 1, "Invalid AOF manifest file format"),
        ("file a seq 1 type b more\n", 1, "Invalid AOF manifest file format"),
        ("file a seq 1 type\n", 1, "Invalid AOF manifest file format"),
        ("fil a seq 1 type b\n", 1, "Invalid AOF manifest file format"),
        ("file \"a seq 1 type b\n", 1, "Invalid AOF manifest file format"),
        ("file a seq 0 type b\n", 1, "Invalid AOF manifest file format"),
        ("file a seq -1 type i\n", 1, "Invalid AOF manifest file format"),
        ("file a seq 99999999999999999999 type i\n", 1, "Invalid AOF manifest file format"),
        ("file a seq 9223372036854775807 type i\n", 1, "Invalid AOF manifest file format"),
        ("file .. seq 1 type b\n", 1, "Invalid AOF manifest file format"),
        ("file a/b seq 1 type b\n", 1, "File can't be a path, just a filename"),
        ("file a\\\\b seq 1 type b\n", 1, "File can't be a path, just a filename"),
        ("file a seq 1 type b\nfile b seq 2 type b\n", 2, "Found duplicate base file information"),
        ("file a seq 2 type i\nfile b seq 2 type i\n", 2, "Found a non-monotonic sequence number"),
        ("file a seq 3 type i\nfile b seq 2 type i\n", 2, "Found a non-monotonic sequence number"),
        ("file a seq 1 type x\n", 1, "Unknown AOF file type"),
        // A bit of the type of the last increment that has changed.
        (
            "file a.2.base.rdb seq 2 type b\nfile a.3.incr.aof seq 3 type i\nfile a.4.incr.aof seq 4 type h\n", 0,
            "Found no increment after a.4.incr.aof, which is called history"
        ),
        (
            "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type h\n", 0,
            "Found no increment after a.1.incr.aof, which is called history"
        ),
    ])
    func whatIsNoManifestIsRefused(content: String, line: Int, reason: String) throws {
        do {
            _ = try parse(content)
            Issue.record("it was taken for one")
        } catch let mistake as AppendManifest.Mistake {
            #expect(mistake.line == line && mistake.reason == reason, "\(mistake)")
        }
    }

    @Test func aNewBaseReplacesWhatItHolds() {
        var manifest = AppendManifest()
        #expect(manifest.isEmpty)
        manifest.replaceBase(with: manifest.nextBaseName(of: "log", isSnapshot: true), keepingIncrements: 0)
        manifest.addIncrement(manifest.nextIncrementName(of: "log"))
        #expect(text(manifest) == "file log.1.base.rdb seq 1 type b\nfile log.1.incr.aof seq 1 type i\n")
        manifest.addIncrement(manifest.nextIncrementName(of: "log"))
        manifest.addIncrement(manifest.nextIncrementName(of: "log"))
        manifest.replaceBase(with: manifest.nextBaseName(of: "log", isSnapshot: false), keepingIncrements: 1)
        #expect(
            text(manifest) == """
                file log.2.base.aof seq 2 type b
                file log.1.incr.aof seq 1 type h
                file log.2.incr.aof seq 2 type h
                file log.1.base.rdb seq 1 type h
                file log.3.incr.aof seq 3 type i

                """)
        manifest.forgetHistory()
        #expect(text(manifest) == "file log.2.base.aof seq 2 type b\nfile log.3.incr.aof seq 3 type i\n")
    }

    /// With the log off a rewrite leaves no increment. What was one is read as history, and nothing new gets its name.
    @Test func aBaseThatReplacesEverything() throws {
        var manifest = AppendManifest()
        manifest.replaceBase(with: manifest.nextBaseName(of: "log", isSnapshot: true), keepingIncrements: 0)
        for _ in 0..<2 { manifest.addIncrement(manifest.nextIncrementName(of: "log")) }
        manifest.replaceBase(with: manifest.nextBaseName(of: "log", isSnapshot: true), keepingIncrements: 0)
        var read = try manifest.text.withByteSlice { try AppendManifest(parsing: $0) }
        #expect(read.files == manifest.files && read.history == manifest.history && read.increments.isEmpty)
        #expect(read.nextIncrementName(of: "log") == "log.3.incr.aof")
        read.addIncrement(read.nextIncrementName(of: "log"))
        let again = try read.text.withByteSlice { try AppendManifest(parsing: $0) }
        #expect(again == read)
        // One bit of the last line, and the increment that counts would be removed.
        let flipped = text(read).replacing("seq 3 type i", with: "seq 3 type h")
        #expect(throws: AppendManifest.Mistake.self) {
            try Array(flipped.utf8).withByteSlice { try AppendManifest(parsing: $0) }
        }
    }

    @Test func anyBytesAreReadOrRefused() {
        var random = SeededRandom(seed: TestSeed.fixed(11))
        let seed = Array("file appendonly.aof.1.base.rdb seq 1 type b\nfile \"x y\" seq 2 type i\n".utf8)
        for _ in 0..<20_000 {
            var content = seed
            for _ in 0..<1 + random.below(4) {
                let place = random.below(content.count)
                let byte = UInt8(random.below(256))
                switch random.below(3) {
                case 0: content[place] = byte
                case 1: content.remove(at: place)
                default: content.insert(byte, at: place)
                }
            }
            guard let manifest = try? content.withByteSlice({ try AppendManifest(parsing: $0) }) else { continue }
            let again = try? manifest.text.withByteSlice { try AppendManifest(parsing: $0) }
            #expect(again?.files == manifest.files, "\(String(decoding: content, as: UTF8.self))")
        }
    }
}
