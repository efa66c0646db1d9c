// Where the process begins.

import Glibc

@main
struct EntryPoint {
    static func main() {
        let log = Log()
        do {
            switch try Configuration.start(
                Configuration.processArguments, environment: Configuration.processEnvironment, log: log)
            {
            case .show(let text):
                print(text, terminator: "")
            case .run(let configuration):
                try configuration.takeEffect()
                configuration.logWarnings()
                try serve(configuration, log)
            }
        } catch {
            let text = Array("\(error)\n".utf8)
            _ = write(STDERR_FILENO, text, text.count)
            exit(1)
        }
    }

    private static func serve(_ configuration: Configuration, _ log: Log) throws {
        if configuration.settings.daemonize && daemon(1, 0) != 0 { throw SyscallError("daemon") }
        Signals.install()
        let server = try Server(configuration: configuration, log: log)
        try server.renameCommands()
        log.notice("\(Product.title), PID \(getpid()), just started")
        try server.openListeners()
        log.notice("Ready to accept connections")
        server.run()
        exit(server.exitStatus)
    }
}
