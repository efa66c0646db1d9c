import Testing

@testable import respcli

@Suite struct SecretLineTests {
    @Test(arguments: [
        ("GET a", true), ("AUTH x", false), ("auth u x", false), ("3 AUTH x", false), ("auth 'open", false),
        ("HELLO 3", true),
        ("hello 3 auth u p", false), ("ACL SETUSER a >p", false), ("acl list", true), ("ACL GETUSER a", false),
        ("CONFIG SET requirepass x", false), ("config set maxmemory 1 masterauth y", false),
        ("CONFIG SET maxmemory 1", true),
        ("CONFIG GET requirepass", true), ("MIGRATE h 1 k 0 10 AUTH p", false), ("MIGRATE h 1 k 0 10", true),
        ("SET a 1\nAUTH x", false), ("SET auth x", true), ("SENTINEL SET m auth-pass x", false), ("", true),
        ("SENTINEL CONFIG SET sentinel-pass x", false), ("sentinel config get sentinel-pass", true),
        ("\"auth\" \"open", false), ("'auth' x y\"", false), ("\"\\x61uth\" x", false),
    ])
    func secretsAreNotKept(line: String, isKept: Bool) {
        #expect(SecretLine.mayBeKept(Bytes(line.utf8)) == isKept)
    }
}
