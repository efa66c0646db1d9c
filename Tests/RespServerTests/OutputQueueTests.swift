import Testing

@testable import RespServer

@Suite struct OutputQueueTests {
    /// Bytes by chance go in and out in runs by chance, and come out as they went in.
    @Test func keepsBytesInOrder() {
        var generator = SystemRandomNumberGenerator()
        var queue = OutputQueue()
        var written: UInt8 = 0
        var read: UInt8 = 0
        var waiting = 0
        for _ in 0..<60 {
            let bytes = (0..<Int.random(in: 0...100_000, using: &generator)).map { _ in
                defer { written &+= 1 }
                return written
            }
            bytes.withUnsafeBytes { queue.append($0) }
            waiting += bytes.count
            for _ in 0..<Int.random(in: 0...3, using: &generator) where waiting > 0 {
                let front = queue.front
                let count = Int.random(in: 1...front.count, using: &generator)
                for byte in front.prefix(count) {
                    if byte != read { Issue.record("bytes out of order") }
                    read &+= 1
                }
                queue.removeFirst(count)
                waiting -= count
            }
            #expect(queue.byteCount == waiting)
        }
        while queue.byteCount > 0 {
            for byte in queue.front {
                if byte != read { Issue.record("bytes out of order") }
                read &+= 1
            }
            queue.removeFirst(queue.front.count)
        }
        #expect(read == written && queue.capacity == 0 && queue.front.isEmpty)
    }
}
