/// How many errors clients were answered.
///
/// Scripts make up codes of their own. When there are too many, the codes are forgotten, and none is kept any more until the statistics
/// are reset; the total is counted all the same.
/// - Source: Redis 7.4, server.c, on the limit and on what stands in the place of the codes.
struct ErrorStatistics {
    private static let mostCodes = 128

    private(set) var total = 0
    /// By the first word of their texts.
    private(set) var byCode: [String: Int] = [:]
    private(set) var keepsCodes = true

    /// Counts an error.
    /// - Returns: The codes that were forgotten, if it was one too many.
    mutating func count(_ code: String) -> [String]? {
        total += 1
        guard keepsCodes else { return nil }
        guard byCode.count < Self.mostCodes || byCode[code] != nil else {
            let codes = byCode.keys.sorted()
            byCode = ["ERRORSTATS_DISABLED": 1]
            keepsCodes = false
            return codes
        }
        byCode[code, default: 0] += 1
        return nil
    }
}
