// Commands by name: found in any letter case, renamed, taken away, and never by another's name.

import RespCodec
import StoreEngine
import Testing

@testable import RespServer

@Suite struct CommandTableTests {
    private let table: CommandTable = {
        let table = CommandTable()
        for command in Engine.allCommands { table.add(CommandRecord(command)) }
        for command in SessionCommands.all { table.add(CommandRecord(command)) }
        return table
    }()

    private func find(_ name: String) -> CommandRecord? {
        Array(name.utf8).withByteSlice { table.find($0)?.record }
    }

    private func rename(_ name: String, _ newName: String) -> String? { table.rename(bytes(name), to: bytes(newName)) }

    @Test func everyCommandIsFoundInAnyLetterCase() {
        #expect(table.records.contains { $0.info.name.utf8.count > 16 } && table.records.count > 200)
        for record in table.records {
            let name = record.info.name
            let mixed = name.enumerated().map { $0.offset % 2 == 0 ? $0.element.lowercased() : String($0.element) }
            for spelling in [name, name.lowercased(), mixed.joined()] { #expect(find(spelling) === record) }
        }
    }

    /// Each byte of each name replaced by every other one, left out, or said twice.
    @Test func nothingElseIsFound() {
        let names = Set(table.records.map { $0.info.name.uppercased() })
        func expectOnly(_ bytes: [UInt8]) {
            let upper = bytes.map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 0x20 : $0 }
            let name = String(decoding: upper, as: UTF8.self)
            let found = bytes.withByteSlice { table.find($0)?.record.info.name.uppercased() }
            #expect(found == (names.contains(name) && Array(name.utf8) == upper ? name : nil))
        }
        for name in names {
            let bytes = Array(name.utf8)
            for index in bytes.indices {
                var changed = bytes
                for byte in UInt8.min...UInt8.max {
                    changed[index] = byte
                    expectOnly(changed)
                }
                changed = bytes
                changed.remove(at: index)
                expectOnly(changed)
                changed = bytes
                changed.insert(bytes[index], at: index)
                expectOnly(changed)
            }
        }
        expectOnly([])
        expectOnly([UInt8](repeating: 0x61, count: 25))
    }

    @Test(arguments: [
        "", "G", "GETT", "get ", "\u{0}get", "g\u{65}\u{301}t", "GEORADIUSBYMEMBER_ROX",
        String(repeating: "x", count: 1000),
    ])
    func whatIsNoCommandIsNotFound(name: String) { #expect(find(name) == nil) }

    @Test func renamedCommands() {
        let get = find("get")
        #expect(rename("GET", "hidden-get") == nil)
        #expect(find("GET") == nil && find("Hidden-GET") === get && find("SET") != nil)
        // Names longer than any command's.
        let long = String(repeating: "Long", count: 30)
        #expect(rename("hidden-get", long) == nil)
        #expect(find("hidden-get") == nil && find(long.uppercased()) === get)
        #expect(rename(long, "GET") == nil && find("get") === get && find(long) == nil)
    }

    @Test func namesThatAreTakenOrUnknown() {
        #expect(rename("NOSUCH", "x") == "No such command in rename-command")
        #expect(rename("GET", "set") == "Target command name already exists")
        #expect(find("GET") != nil)
    }

    @Test func commandsTakenAway() {
        let count = table.records.count
        #expect(rename("FLUSHALL", "") == nil)
        #expect(find("FLUSHALL") == nil && table.records.count == count - 1)
        #expect(rename("FLUSHALL", "x") == "No such command in rename-command")
        // The free name can be given to another.
        #expect(rename("GET", "FLUSHALL") == nil && find("flushall")?.info.name == "GET")
    }

    @Test func subcommandsAreFoundInAnyLetterCase() {
        let client = find("client")
        for word in ["KILL", "kill", "KiLl"] {
            #expect(Array(word.utf8).withByteSlice { client?.subcommand($0)?.fullName } == "client|kill")
        }
        #expect(Array("kil".utf8).withByteSlice { client?.subcommand($0) } == nil)
    }

    @Test func everyCommandThatWritesSaysHowItTellsItsEffect() {
        let all = table.records.flatMap { [$0] + $0.subcommands }
        for record in all {
            let writes = !record.flags.isDisjoint(with: [.write, .mayWrite])
            #expect((record.handle.effect != .none) == writes, "\(record.fullName)")
        }
    }
}
