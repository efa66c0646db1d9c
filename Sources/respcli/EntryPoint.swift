// respcli: one command, commands from a pipe, or a prompt, for any server that speaks RESP; and modes that look at a whole server.

import Glibc
import ProcessArguments

@main
enum EntryPoint {
    static func main() {
        StandardDescriptors.openMissing()
        if let tool = Tool.find(ProcessArguments.current) {
            exit(tool.run(Array(ProcessArguments.current.dropFirst())))
        }
        let outcome = OptionParser.parse(ProcessArguments.current, hasTerminal: Terminal.isOutput)
        ProcessArguments.hide(outcome.secrets)
        for notice in outcome.notices { StandardError.write(notice) }
        switch outcome.action {
        case .run(let options):
            exit(Session(options).run())
        case .print(let text):
            var output = StandardOutput()
            output.write(text)
            output.flush()
            exit(0)
        case .fail(let message):
            StandardError.write(message + "\n")
            exit(1)
        }
    }
}
