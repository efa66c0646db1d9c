// Completions for shells, and the manual page: made from the tables of options.

/// An option without what it does.
struct OptionSummary {
    var names: [String]
    var value: String?
    var section: String
    var help: String
    var completion: OptionCompletion

    /// The help as one line, up to its first full stop.
    var shortHelp: String {
        let line = help.split(separator: "\n").joined(separator: " ")
        return line.hasSuffix(".") ? String(line.dropLast()) : line
    }
}

extension OptionTable {
    var summaries: [OptionSummary] {
        entries.map {
            OptionSummary(
                names: $0.names, value: $0.value, section: $0.section, help: $0.help, completion: $0.completion)
        }
    }
}

enum Completions {
    static let shells = ["bash", "zsh", "fish"]

    /// The options of the program, and of each tool.
    static var parts: [(tool: Tool?, options: [OptionSummary])] {
        [(nil, OptionsDraft.table.summaries)] + Tool.allCases.map { ($0, $0.options) }
    }

    static func script(_ shell: String) -> String? {
        switch shell {
        case "bash": bash
        case "zsh": zsh
        case "fish": fish
        default: nil
        }
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    // MARK: bash

    private static var bash: String {
        var text = """
            # bash completion for respcli: source it, or put it into /usr/share/bash-completion/completions/respcli

            _respcli() {
                local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} tool=
                case ${COMP_WORDS[1]} in \(Tool.allCases.map(\.rawValue).joined(separator: "|"))) tool=${COMP_WORDS[1]} ;; esac
                COMPREPLY=()
                case $tool in

            """
        for part in parts {
            text += "    \(part.tool.map { $0.rawValue } ?? "''"))\n        case $previous in\n"
            for option in part.options where option.value != nil {
                let action =
                    switch option.completion {
                    case .nothing: "return"
                    case .file: "COMPREPLY=($(compgen -f -- \"$word\")); return"
                    case .folder: "COMPREPLY=($(compgen -d -- \"$word\")); return"
                    case .host: "COMPREPLY=($(compgen -A hostname -- \"$word\")); return"
                    case .words(let words):
                        "COMPREPLY=($(compgen -W \(quoted(words.joined(separator: " "))) -- \"$word\")); return"
                    }
                text += "        \(option.names.joined(separator: "|"))) \(action) ;;\n"
            }
            let names = part.options.flatMap(\.names) + ["--help"]
            text +=
                "        esac\n        [[ $word == -* ]] && COMPREPLY=($(compgen -W \(quoted(names.joined(separator: " "))) -- \"$word\"))\n"
            if part.tool == nil {
                text +=
                    "        [[ $word != -* && $COMP_CWORD == 1 ]] && COMPREPLY=($(compgen -W \(quoted(Tool.allCases.map(\.rawValue).joined(separator: " "))) -- \"$word\"))\n"
            }
            if part.tool == .completion {
                text +=
                    "        [[ $word != -* ]] && COMPREPLY=($(compgen -W \(quoted(shells.joined(separator: " "))) -- \"$word\"))\n"
            }
            text += "        ;;\n"
        }
        return text + "    esac\n}\ncomplete -F _respcli respcli\n"
    }

    // MARK: zsh

    private static var zsh: String {
        func escaped(_ text: String) -> String {
            text.map { "[]:\\".contains($0) ? "\\\($0)" : String($0) }.joined()
        }
        func arguments(_ options: [OptionSummary]) -> String {
            options.flatMap { option in
                option.names.map { name in
                    var text = "\(name)[\(escaped(option.shortHelp))]"
                    if let value = option.value {
                        let action =
                            switch option.completion {
                            case .nothing: " "
                            case .file: "_files"
                            case .folder: "_files -/"
                            case .host: "_hosts"
                            case .words(let words): "(\(words.joined(separator: " ")))"
                            }
                        text += ":\(escaped(value)):\(action)"
                    }
                    return "            \(quoted(text)) \\\n"
                }
            }.joined()
        }
        var text = """
            #compdef respcli
            # zsh completion for respcli: put it into a folder of $fpath as _respcli

            _respcli() {
                case $words[2] in

            """
        for part in parts.dropFirst() {
            text += "    \(part.tool!.rawValue))\n        shift words; (( CURRENT-- ))\n        _arguments \\\n"
            let words =
                part.tool == .completion ? "'1:shell:(\(shells.joined(separator: " ")))'" : "'*:argument: '"
            text += arguments(part.options) + "            '--help[This text]' \(words)\n        ;;\n"
        }
        let tools = Tool.allCases.map { quoted("\($0.rawValue):\($0.summary)") }.joined(separator: " ")
        text += "    *)\n        local -a tools=(\(tools))\n        _arguments \\\n" + arguments(parts[0].options)
        text +=
            "            '--help[This text]' '1:command:{_describe tool tools}' '*:argument: '\n        ;;\n    esac\n}\n\n_respcli \"$@\"\n"
        return text
    }

    // MARK: fish

    private static var fish: String {
        var text = "# fish completion for respcli: put it into ~/.config/fish/completions/respcli.fish\n\n"
        let names = Tool.allCases.map(\.rawValue).joined(separator: " ")
        for tool in Tool.allCases {
            text += "complete -c respcli -n __fish_use_subcommand -f -a \(tool.rawValue) -d \(quoted(tool.summary))\n"
        }
        text +=
            "complete -c respcli -n '__fish_seen_subcommand_from completion' -f -a \(quoted(shells.joined(separator: " ")))\n"
        for part in parts {
            let condition =
                part.tool.map { "__fish_seen_subcommand_from \($0.rawValue)" }
                ?? "not __fish_seen_subcommand_from \(names)"
            for option in part.options {
                text += "complete -c respcli -n \(quoted(condition))"
                for name in option.names {
                    text += name.hasPrefix("--") ? " -l \(name.dropFirst(2))" : " -s \(name.dropFirst())"
                }
                if option.value != nil {
                    switch option.completion {
                    case .nothing: text += " -x"
                    case .file: text += " -r -F"
                    case .folder: text += " -x -a '(__fish_complete_directories)'"
                    case .host: text += " -x -a '(__fish_print_hostnames)'"
                    case .words(let words): text += " -x -a \(quoted(words.joined(separator: " ")))"
                    }
                }
                text += " -d \(quoted(option.shortHelp))\n"
            }
        }
        return text
    }
}

/// The manual page respcli(1), for man.
enum ManualPage {
    private static func escaped(_ text: String) -> String {
        var text = text.map { $0 == "\\" ? "\\e" : $0 == "-" ? "\\-" : String($0) }.joined()
        // A line that begins with a dot or a quote would be a request.
        if text.hasPrefix(".") || text.hasPrefix("'") { text = "\\&" + text }
        return text
    }

    private static func options(_ options: [OptionSummary]) -> String {
        var sections: [String] = []
        for option in options where !sections.contains(option.section) { sections.append(option.section) }
        var text = ""
        for section in sections {
            text += ".SS \(escaped(section))\n"
            for option in options where option.section == section {
                let names = option.names.map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
                text += ".TP\n\(names)\(option.value.map { " \\fI\(escaped($0))\\fR" } ?? "")\n"
                text += option.help.split(separator: "\n").map { escaped(String($0)) + "\n" }.joined()
            }
        }
        return text
    }

    static var text: String {
        var text = """
            .TH RESPCLI 1 "" "respcli \(Usage.version)" "User Commands"
            .nh
            .SH NAME
            respcli \\- client for servers that speak the protocol of Redis
            .SH SYNOPSIS
            .B respcli
            [\\fIOPTIONS\\fR] [\\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]]
            .br
            .B respcli
            \\fITOOL\\fR [\\fIOPTIONS\\fR] ...
            .SH DESCRIPTION
            With a command, sends it, prints the reply and ends. Without one, reads commands line by line, from a prompt at a
            terminal or from a pipe. Options and output are those of redis\\-cli.
            .SH OPTIONS

            """ + options(OptionsDraft.table.summaries)
        for tool in Tool.allCases where tool != .completion && tool != .man {
            text += ".SH \(tool.rawValue.uppercased())\n\(escaped(tool.summary)).\n.PP\n.nf\n"
            // The usage up to the options.
            for line in tool.usage.split(separator: "\n", omittingEmptySubsequences: false).prefix(while: {
                !tool.options.map(\.section).contains(String($0))
            }) { text += escaped(String(line)) + "\n" }
            text += ".fi\n" + options(tool.options)
        }
        return text + """
            .SH ENVIRONMENT
            .TP
            .B REDISCLI_AUTH
            The password, if none is given.
            .TP
            .B REDISCLI_HISTFILE
            The file of what was typed at the prompt (~/.respcli_history).
            .TP
            .B REDISCLI_RCFILE
            The file of settings for the prompt (~/.respclirc).
            .TP
            .B NO_COLOR
            No colours, if set and not empty.
            .TP
            .B PAGER
            The program that shows long replies at the prompt.
            .SH EXIT STATUS
            0, or 1 if the server could not be reached, the arguments are wrong, or, with \\-e, a reply is an error.

            """
    }
}
