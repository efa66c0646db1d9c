// The template of the process title: text with {variables}, where "{{" stands for a brace.

enum ProcessTitle {
    static let variables = ["title", "listen-addr", "server-mode", "port", "tls-port", "config-file", "unixsocket"]

    /// The title that `template` gives with `values` for its variables, or nil when a brace is not closed or a variable
    /// unknown.
    static func expand(_ template: String, _ values: [String: String]) -> String? {
        var result = ""
        var rest = template[...]
        while let brace = rest.firstIndex(of: "{") {
            result += rest[..<brace]
            rest = rest[rest.index(after: brace)...]
            if rest.first == "{" {
                result.append("{")
                rest = rest.dropFirst()
                continue
            }
            guard let end = rest.firstIndex(of: "}"), let value = values[String(rest[..<end])] else { return nil }
            result += value
            rest = rest[rest.index(after: end)...]
        }
        result += rest
        let trimmed = result.drop { $0 == " " }
        return String(trimmed.reversed().drop { $0 == " " }.reversed())
    }

    /// Whether `template` can be expanded to a title that is not empty.
    static func isValid(_ template: String) -> Bool {
        let sample = Dictionary(
            uniqueKeysWithValues: variables.map { ($0, $0 == "server-mode" || $0 == "title" ? "" : "x") })
        return expand(template, sample)?.isEmpty == false
    }
}
