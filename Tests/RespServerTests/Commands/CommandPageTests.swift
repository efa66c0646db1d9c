// Goal: docs/COMMANDS.md tells of the commands that there are. Method: it is compared with what the program prints.

import Testing

@testable import RespServer

@Suite struct CommandPageTests {
    @Test func thePageIsUpToDate() throws {
        let root = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/"
        let kept = text(try FileAccess.read(root + "docs/COMMANDS.md").get())
        let lines = kept.split(separator: "\n", omittingEmptySubsequences: false)
        let wanted = CommandPage.ofAllCommands.split(separator: "\n", omittingEmptySubsequences: false)
        for (line, other) in zip(lines, wanted) where line != other {
            Issue.record("resp-server --commands > docs/COMMANDS.md\nis: \(line)\nwanted: \(other)")
            return
        }
        #expect(lines.count == wanted.count, "resp-server --commands > docs/COMMANDS.md")
    }

    @Test func everyCommandHasARow() {
        let table = CommandTable()
        for command in SessionCommands.all { table.add(CommandRecord(command)) }
        let rows = CommandPage(table).text.split(separator: "\n").filter { $0.hasPrefix("| `") }
        #expect(rows.count == table.allRecords.count)
        let slowLog = rows.filter { $0.hasPrefix("| `SLOWLOG GET ") }
        #expect(slowLog == ["| `SLOWLOG GET [count]` | Redis 2.2.12 | Redis 4.0.0 |  |"])
        let commandLog = rows.filter { $0.hasPrefix("| `COMMANDLOG LEN ") }
        #expect(
            commandLog == [
                "| `COMMANDLOG LEN <SLOW \\| LARGE-REQUEST \\| LARGE-REPLY>` | Valkey 8.1.0 | Valkey 8.1.0 |  |"
            ])
    }
}
