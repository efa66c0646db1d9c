// The texts that `--help`, `--version` and the prompt's HELP print.

enum Usage {
    static let version = "0.2.0"
    static let versionLine = "respcli \(version)\n"

    static let text = """
        respcli \(version)

        Usage: respcli [OPTIONS] [COMMAND [ARGUMENT ...]]

        With a command: sends it, prints the reply and ends. Without one: reads commands line by line, from a prompt at
        a terminal or from a pipe. The options under "All keys", "Measuring" and "Transfer" do something else instead.

        Tools, of which respcli TOOL --help tells
        \(Tool.allCases.map { "  \($0.rawValue)" + String(repeating: " ", count: 19 - $0.rawValue.utf8.count) + $0.summary + "." }.joined(separator: "\n"))
        """ + "\n" + OptionsDraft.table.help + """

              --help             This text.
              -v, --version      The version.

            Environment
              REDISCLI_AUTH      The password, if none is given.
              REDISCLI_HISTFILE  The file of what was typed at the prompt (~/.respcli_history); /dev/null for none.
              REDISCLI_RCFILE    The file of settings for the prompt (~/.respclirc): lines such as ":set nohints".
              NO_COLOR           No colours, if set and not empty.
              PAGER              The program that shows long replies at the prompt (less).
              FAKETTY            Print as at a terminal, if set.

            Examples
              respcli set greeting hello
              respcli -u redis://:secret@db.example:6380/2 --json hgetall user:1
              respcli -x set picture < picture.png
              respcli --raw -D "" get picture > copy.png
              respcli -r 10 -i 0.5 incr ticks
              respcli --scan --pattern 'user:*' --type hash
              respcli --eval script.lua key1 key2 , argument1 argument2
              respcli --pipe < requests.txt
              respcli < commands.txt

            """

    static let promptHelp = """
        respcli \(version)
        A line is a command and its arguments. A number before it repeats it.
              "help COMMAND" tells about a command
              "help @GROUP" lists a group of commands, such as @string or @hash
              "connect HOST PORT" changes the server
              ":set hints" and ":set nohints" switch the hints while typing
              "clear" clears the screen
              "quit" or "exit" ends

        """
}
