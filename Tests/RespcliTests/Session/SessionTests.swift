// What a session makes of its command line.

import Testing

@testable import respcli

@Suite struct SessionTests {
    @Test(
        arguments: [
            (#""a b""#, "a b"), ("plain", "plain"), ("two words", nil), ("", nil), ("'open", nil), (#""\x41""#, "A"),
        ] as [(String, String?)])
    func anArgumentIsUnquoted(text: String, plain: String?) {
        #expect(Session.unquoted(Bytes(text.utf8)) == plain.map { Bytes($0.utf8) })
    }
}
