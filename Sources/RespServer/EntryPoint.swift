// Where the process begins.

import CLinux
import Glibc
import ProcessArguments
import RespCodec

@main
struct EntryPoint {
    static func main() {
        StandardDescriptors.openMissing()
        let log = Log()
        let arguments = ProcessArguments.current
        if let check = FileCheck.start(name: ProcessArguments.name, arguments) { exit(FileCheck.run(check)) }
        ProcessArguments.hide(CommandLineOptions(arguments).secrets)
        do {
            switch try Configuration.start(arguments, environment: Configuration.processEnvironment, log: log) {
            case .show(let text):
                print(text, terminator: "")
            case .run(let configuration):
                try configuration.takeEffect()
                configuration.logWarnings()
                try serve(configuration, log)
            }
        } catch {
            let text = Array("\(error)\n".utf8)
            _ = unsafe write(STDERR_FILENO, text, text.count)
            exit(1)
        }
    }

    private static func serve(_ configuration: Configuration, _ log: Log) throws {
        let supervisor = Supervisor(configuration.settings.supervision)
        // Who is supervised must stay the process that was started.
        if configuration.settings.daemonize && supervisor.kind == .none && daemon(1, 0) != 0 {
            throw SyscallError("daemon")
        }
        Signals.install()
        func followCrashLog(_ settings: Settings) {
            CrashReport.follow(isOn: settings.logsCrashes, logFile: settings.logFile)
        }
        followCrashLog(configuration.settings)
        configuration.onChange(of: "crash-log-enabled") { _, new in
            followCrashLog(new)
            return nil
        }
        Syscall.returnLargeBlocks(all: false)
        SystemMemory.makeReserve()
        unsafe SystemMemory.whenExhausted = { size in log.warning("Out Of Memory allocating \(size) bytes!") }
        let server = try Server(configuration: configuration, log: log)
        server.supervisor = supervisor
        try server.renameCommands()
        log.notice("\(Product.title), compatible with Redis \(Product.redisVersion), PID: \(getpid()), just started")
        try server.openListeners()
        guard !server.listeners.isEmpty else {
            throw ConfigurationError("There is no address, port or socket to listen on")
        }
        log.notice("Running mode=standalone, port=\(configuration.settings.port).")
        log.notice("Server initialized")
        guard server.loadData() else { server.end(status: server.turns.isStopping ? 0 : 1) }
        server.announce()
        server.run()
        exit(0)
    }
}
