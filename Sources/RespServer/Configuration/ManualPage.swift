// The manual page resp-server(1), made from the rows of the command line and of the settings: `resp-server --man` prints it.
//
// What each setting is for stands in resp-server.conf; the page tells its values, its default, and whether it has an effect.

enum ManualPage {
    static var text: String {
        var text = """
            .TH \(Product.name.uppercased()) 1 "" "\(Product.title)" "User Commands"
            .nh
            .SH NAME
            \(escaped(Product.name)) \\- in\\-memory store that Redis clients can use
            .SH SYNOPSIS

            """
        for (index, usage) in CommandLineOptions.usages.enumerated() {
            text += (index > 0 ? ".br\n" : "") + ".B \(escaped(Product.name))\n\(escaped(usage))\n"
        }
        text += """
            .SH DESCRIPTION
            Serves clients of Redis from memory, with the commands of Redis \(Product.redisVersion) and many later ones. The configuration comes from
            a file, from standard input, from the environment and from options; each of these wins over the ones before it.
            .SH OPTIONS

            """
        for row in CommandLineOptions.rows {
            text += ".TP\n.B \(escaped(row.notation))\n" + row.help.map { escaped($0) + "\n" }.joined()
        }
        text += """
            .SH SETTINGS
            Each may stand in a file, as \\fBNAME VALUE\\fR on a line, or among the options, as \\fB\\-\\-NAME VALUE\\fR. resp\\-server.conf tells
            what they are for. CONFIG SET changes those that are not fixed once the server runs.

            """
        let defaults = Settings()
        for section in SettingTable.sections {
            text += ".SS \(escaped(section.title))\n"
            for setting in section.settings where !setting.flags.contains(.hidden) {
                text += paragraph(setting, defaults)
            }
        }
        text += ".SH ENVIRONMENT\n" + CommandLineOptions.environmentText.map { escaped($0) + "\n" }.joined()
        text += """
            .TP
            .B NOTIFY_SOCKET
            With supervised, the socket on which systemd is told when clients can connect.
            .SH EXIT STATUS
            0 after an orderly end; 1 if the configuration is wrong, nothing could be listened on, or data could not be read or written.
            .SH EXAMPLES
            .nf

            """
        text += CommandLineOptions.examples.map { escaped($0) + "\n" }.joined()
        return text + ".fi\n.SH SEE ALSO\n.BR respcli (1)\n"
    }

    /// The text as it is, whatever characters of it troff has a meaning for.
    private static func escaped(_ text: String) -> String {
        let text = text.map { $0 == "\\" ? "\\e" : $0 == "-" ? "\\-" : String($0) }.joined()
        // A line that begins with a dot or a quote would be a request.
        return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
    }

    // MARK: settings

    private static func paragraph(_ setting: Setting, _ defaults: Settings) -> String {
        let values = values(of: setting)
        var text = ".TP\n\\fB\(escaped(setting.name))\\fR \\fI\(escaped(values.notation))\\fR\n"
        var sentences: [String] = []
        if let bounds = values.bounds { sentences.append(bounds) }
        let initial = String(decoding: setting.text(in: defaults), as: UTF8.self)
        sentences.append(initial.isEmpty ? "Empty unless set." : "The default is \(initial).")
        if setting.flags.contains(.immutable) { sentences.append("Fixed once the server runs.") }
        if let alias = setting.alias { sentences.append("Also called \(alias).") }
        switch setting.effect {
        case .acts: break
        case .inert: sentences.append("Checked and kept, without effect in this version.")
        case .refused: sentences.append("Values that ask for more are refused in this version.")
        }
        text += sentences.map { escaped($0) + "\n" }.joined()
        return text
    }

    private static func values(of setting: Setting) -> (notation: String, bounds: String?) {
        switch setting.kind {
        case .boolean: return ("yes|no", nil)
        case .choice(let words):
            let list = words.joined(separator: "|")
            // A line that cannot be broken would not fit on the page.
            return list.utf8.count <= 40 ? (list, nil) : ("WORD", "One of \(words.joined(separator: ", ")).")
        case .flags(let words): return ("WORD ...", "Any of \(words.joined(separator: ", ")).")
        case .text, .bytes: return ("TEXT", nil)
        case .own: return ("VALUE ...", nil)
        case .integer(let format):
            switch format.unit {
            case .octal: return ("MODE", "An octal number.")
            case .memory: return ("SIZE", "Bytes, or a number with a unit: kb, mb, gb.")
            case .memoryOrPercent: return ("SIZE|PERCENT%", "Bytes, a number with a unit, or a part of maxmemory.")
            case .number:
                let bounds = format.clamp ?? format.range
                if bounds.upperBound >= Int(UInt32.max) || bounds.upperBound == Int(Int32.max) {
                    return ("NUMBER", bounds.lowerBound < 0 ? nil : "At least \(bounds.lowerBound).")
                }
                return ("NUMBER", "From \(bounds.lowerBound) to \(bounds.upperBound).")
            }
        }
    }
}
