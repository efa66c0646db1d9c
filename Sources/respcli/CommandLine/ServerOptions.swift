// Where a server is and how to speak to it: the options that every part of the program has.

/// The protocol version of new connections.
enum ProtocolChoice: Equatable {
    /// The default of a new connection: RESP2.
    case unspecified
    /// `-2`: RESP2, even if the output format prefers RESP3.
    case resp2
    /// `-3`: RESP3; a server that refuses it is an error.
    case resp3
    /// A JSON format without `-2` or `-3`: RESP3 if the server has it.
    case preferResp3
}

/// How to encrypt the connection, and whom to trust.
struct EncryptionOptions: Equatable {
    var serverName: Bytes?
    var authorityFile: Bytes?
    var authorityFolder: Bytes?
    var certificateFile: Bytes?
    var keyFile: Bytes?
    var ciphers: Bytes?
    var cipherSuites: Bytes?
    /// Whether the server's certificate must be one of the host's name.
    var verifiesHost = false
    /// Whether the server's certificate is not checked.
    var isInsecure = false
}

struct ServerOptions: Equatable {
    var host = Bytes("127.0.0.1".utf8)
    var port = 6379
    /// The path of a Unix socket, which takes precedence over host and port.
    var socketPath: Bytes?
    var user: Bytes?
    var password: Bytes?
    /// The database to select after connecting.
    var database = 0
    /// Whether connections are encrypted, and how if they are.
    var isEncrypted = false
    var encryption = EncryptionOptions()
    /// Seconds that connecting may take; 0 for as long as the system tries.
    var connectTimeoutSeconds = 0.0

    var endpoint: Endpoint {
        if let socketPath { return .unix(path: socketPath) }
        return .tcp(host: host, port: port)
    }

    /// Takes over what a URI says. Returns an error message, or nil.
    mutating func take(_ uri: Bytes) -> String? {
        let parts: ConnectionURI
        do throws(ConnectionURI.Failure) {
            parts = try ConnectionURI(uri)
        } catch {
            return error.message
        }
        if let user = parts.user { self.user = user }
        if let password = parts.password { self.password = password }
        if let host = parts.host { self.host = host }
        if let port = parts.port { self.port = port }
        if let path = parts.socketPath { socketPath = path }
        if let database = parts.database { self.database = database }
        if parts.isEncrypted { isEncrypted = true }
        return portProblem
    }

    static let ports = 0...65535

    fileprivate var portProblem: String? { Self.ports.contains(port) ? nil : "Invalid server port." }

    private static let server = "Server"
    private static let encryptionSection = "Encryption"

    /// The options of an address, for advice.
    static let addressNames = "-h and -p, -s or -u"

    static let addressEntries: [OptionEntry<ServerOptions>] = [
        OptionEntry(
            "-h", value: "HOST", section: server, completion: .host, help: "Host name or address (127.0.0.1)."
        ) {
            $0.host = $1
            return nil
        },
        OptionEntry("-p", value: "PORT", section: server, help: "Port (6379).") {
            $0.port = Text.leadingInteger($1)
            return $0.portProblem
        },
        OptionEntry(
            "-s", value: "PATH", section: server, completion: .file, help: "Unix socket, in place of host and port."
        ) {
            $0.socketPath = $1
            return nil
        },
        OptionEntry(
            "-u", value: "URI", section: server,
            help: """
                redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE],
                the same with rediss:// for an encrypted connection, or
                unix://[[USER:]PASSWORD@]PATH[?db=DATABASE]
                """
        ) { $0.take($1) },
    ]

    static let databaseEntry = OptionEntry<ServerOptions>(
        "-n", value: "DATABASE", section: server, help: "Select this database (0)."
    ) {
        $0.database = Text.leadingInteger($1)
        return nil
    }

    /// As redis-cli has it, but only a number is taken.
    static let checkedDatabaseEntry = OptionEntry<ServerOptions>.number(
        "-n", value: "DATABASE", section: server, range: 0...Int(Int32.max), help: "Select this database (0)."
    ) { $0.database = $1 }

    static let timeoutEntry = OptionEntry<ServerOptions>(
        "-t", value: "SECONDS", section: server,
        help: "Give up connecting after this time; fractions are allowed."
    ) {
        let (seconds, isWhole) = Text.double($1)
        guard isWhole && seconds >= 0 else { return "Invalid connection timeout for -t." }
        $0.connectTimeoutSeconds = min(seconds, 1_000_000)
        return nil
    }

    static let passwordEntries: [OptionEntry<ServerOptions>] = [
        OptionEntry(
            "-a", "--pass", value: "WORD", section: "Password", isSecret: true,
            help: """
                Authenticate with this password. Others may see it for a moment in the
                list of processes: better put it into the environment variable
                REDISCLI_AUTH, or use --askpass.
                """
        ) {
            $0.password = $1
            return nil
        },
        OptionEntry(
            "--user", value: "NAME", section: "Password", help: "Authenticate as this user; needs a password."
        ) {
            $0.user = $1
            return nil
        },
    ]

    static let encryptionEntries: [OptionEntry<ServerOptions>] = [
        .flag("--tls", section: encryptionSection, help: "Encrypt the connection (needs OpenSSL 3 on this machine).") {
            $0.isEncrypted = true
        },
        OptionEntry(
            "--sni", value: "NAME", section: encryptionSection, help: "The name of the server that is asked for."
        ) {
            $0.encryption.serverName = $1
            return nil
        },
        OptionEntry(
            "--cacert", value: "FILE", section: encryptionSection, completion: .file,
            help: "Trust the certificates in this file, not the system's."
        ) {
            $0.encryption.authorityFile = $1
            return nil
        },
        OptionEntry(
            "--cacertdir", value: "FOLDER", section: encryptionSection, completion: .folder,
            help: "Trust the certificates in this folder."
        ) {
            $0.encryption.authorityFolder = $1
            return nil
        },
        .flag(
            "--verify-host", section: encryptionSection,
            help:
                "Check that the certificate is one of the host that was given, or of --sni,\ntoo; redis-cli never does."
        ) { $0.encryption.verifiesHost = true },
        .flag("--insecure", section: encryptionSection, help: "Do not check the server's certificate.") {
            $0.encryption.isInsecure = true
        },
        OptionEntry(
            "--cert", value: "FILE", section: encryptionSection, completion: .file,
            help: "Certificate to present to the server."
        ) {
            $0.encryption.certificateFile = $1
            return nil
        },
        OptionEntry(
            "--key", value: "FILE", section: encryptionSection, completion: .file, help: "Private key of --cert."
        ) {
            $0.encryption.keyFile = $1
            return nil
        },
        OptionEntry(
            "--tls-ciphers", value: "LIST", section: encryptionSection,
            help: "Ciphers up to TLS 1.2, separated by colons, the best first."
        ) {
            $0.encryption.ciphers = $1
            return nil
        },
        OptionEntry(
            "--tls-ciphersuites", value: "LIST", section: encryptionSection, help: "Cipher suites of TLS 1.3, likewise."
        ) {
            $0.encryption.cipherSuites = $1
            return nil
        },
    ]
}
