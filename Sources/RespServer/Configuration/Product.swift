// Name and version of the program, for the version line, the help and messages about the configuration.

enum Product {
    static let name = "resp-server"
    static let version = "0.1.0"
    /// The Redis version whose commands are complete.
    static let redisVersion = "7.4.1"
    /// Name and version as one text, for headlines.
    static let title = "\(name) \(version)"
}
