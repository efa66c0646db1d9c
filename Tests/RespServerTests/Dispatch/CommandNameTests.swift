// Goal: a command is found by its name in any letter case, and by nothing else.

import RespCodec
import StoreEngine
import Testing

@testable import RespServer

@Suite struct CommandNameTests {
    private let table: CommandTable

    init() {
        table = CommandTable()
        for command in Engine.allCommands { table.add(CommandRecord(command)) }
        for command in SessionCommands.all { table.add(CommandRecord(command)) }
    }

    private func found(_ name: [UInt8]) -> String? {
        name.withByteSlice { name in table.find(name).map { $0.pointee.record.info.name.uppercased() } }
    }

    @Test func namesAreFoundInAnyLetterCase() {
        #expect(table.records.contains { $0.info.name.utf8.count > 16 } && table.records.count > 200)
        for record in table.records {
            let name = record.info.name.uppercased()
            let mixed = name.enumerated().map { $0.offset % 2 == 0 ? $0.element.lowercased() : String($0.element) }
            for spelling in [name, name.lowercased(), mixed.joined()] {
                #expect(found(Array(spelling.utf8)) == name)
            }
        }
    }

    /// Each byte of each name replaced by every other one, left out, or said twice.
    @Test func nothingElseIsFound() {
        let names = Set(table.records.map { $0.info.name.uppercased() })
        func expectOnly(_ bytes: [UInt8]) {
            let upper = bytes.map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 0x20 : $0 }
            let name = String(decoding: upper, as: UTF8.self)
            #expect(found(bytes) == (names.contains(name) && Array(name.utf8) == upper ? name : nil))
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
}
