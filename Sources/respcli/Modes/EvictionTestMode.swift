// `--lru-test`: writes and reads keys of which some are used much more often than others, and shows each second how many of the reads
// found a value: how well a server that is full keeps what is used.

import Glibc
import RespCodec

struct EvictionTestMode {
    private let session: Session
    private static let batch = 250
    /// With this exponent, 20 % of the keys are in 80 % of the requests.
    private static let exponent = 6.2

    init(_ session: Session) { self.session = session }

    func run() -> CInt {
        var random = SystemRandomNumberGenerator()
        while true {
            let start = Clock.milliseconds
            var hits = 0
            var misses = 0
            while Clock.milliseconds - start < 1000 {
                _ = session.askMode(
                    all: (0..<Self.batch).map { _ in
                        let value = (0..<5).map { _ in UInt8.random(in: 65..<122, using: &random) }
                        return [Bytes("SET".utf8), key(&random), value]
                    })
                let replies = session.askMode(
                    all: (0..<Self.batch).map { _ in [Bytes("GET".utf8), key(&random)] })
                for reply in replies {
                    if let message = reply.errorText {
                        StandardError.write(Text.string(message) + "\n")
                    } else if reply.withoutAttributes == .null {
                        misses += 1
                    } else {
                        hits += 1
                    }
                }
            }
            let total = Double(hits + misses)
            let hitShare = Text.format("%.2f", Double(hits) / total * 100)
            let missShare = Text.format("%.2f", Double(misses) / total * 100)
            session.output.write(
                "\(hits + misses) Gets/sec | Hits: \(hits) (\(hitShare)%) | Misses: \(misses) (\(missShare)%)\n")
            session.output.flush()
        }
    }

    private func key(_ random: inout some RandomNumberGenerator) -> Bytes {
        let count = session.options.evictionTestKeys
        return Bytes("lru:\(Self.powerLaw(from: 1, to: count, Double.random(in: 0...1, using: &random)))".utf8)
    }

    /// A number of a power-law distribution, with the lower ones more often. `chance` is uniform in 0...1.
    static func powerLaw(from minimum: Int, to maximum: Int, _ chance: Double) -> Int {
        guard maximum > minimum else { return minimum }
        let upper = pow(Double(maximum + 1), exponent + 1)
        let lower = pow(Double(minimum), exponent + 1)
        let drawn = pow((upper - lower) * chance + lower, 1 / (exponent + 1))
        return max(minimum, min(maximum, maximum - Int(drawn) + minimum))
    }
}
