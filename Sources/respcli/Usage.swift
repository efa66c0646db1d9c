// The texts that `--help`, `--version` and the prompt's HELP print.

enum Usage {
    static let version = "0.1.0"
    static let versionLine = "respcli \(version)\n"

    static let text = """
        respcli \(version)

        Usage: respcli [OPTIONS] [COMMAND [ARGUMENT ...]]

        With a command: sends it, prints the reply and ends. Without one: reads commands line by line, from a prompt at
        a terminal or from a pipe.

        Server
          -h HOST            Host name or address (127.0.0.1).
          -p PORT            Port (6379).
          -s PATH            Unix socket, in place of host and port.
          -u URI             redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE]
          -n DATABASE        Select this database (0).
          -2, -3             Speak RESP2 or RESP3.

        Password
          -a, --pass WORD    Authenticate with this password. Others may see it for a moment in the list of processes:
                             better put it into the environment variable REDISCLI_AUTH, or use --askpass.
          --user NAME        Authenticate as this user; needs a password.
          --askpass          Ask for the password.
          --no-auth-warning  No warning about a password among the arguments.

        Command
          -r COUNT           Send the command COUNT times; without end if negative.
          -i SECONDS         Pause behind each command; fractions are allowed.
          -x                 Read one more argument, the last, from standard input.
          -X TAG             Read the argument that is TAG from standard input.
          --quoted-input     Read each argument as a quoted string: '"\\x00\\n"' is a zero byte and a newline.
          -e                 End with status 1 and the message on standard error if the reply is an error.

        Output
          --raw              The reply's bytes (the default unless standard output is a terminal).
          --no-raw           Replies as at a terminal, wherever they go.
          --csv              Comma-separated values.
          --json             JSON; prefers RESP3 unless -2 is given.
          --quoted-json      JSON of ASCII characters only.
          -d DELIMITER       Between the elements of a raw reply (a newline).
          -D DELIMITER       Behind each raw reply (a newline).
          --show-pushes YN   Print what the server sends unasked: yes (the default at a terminal) or no.

          --help             This text.
          -v, --version      The version.

        Examples
          respcli set greeting hello
          respcli -u redis://:secret@db.example:6380/2 --json hgetall user:1
          respcli -x set picture < picture.png
          respcli --raw -D "" get picture > copy.png
          respcli -r 10 -i 0.5 incr ticks
          respcli < commands.txt

        """

    static let promptHelp = """
        respcli \(version)
        A line is a command and its arguments. A number before it repeats it.
              "help COMMAND" tells about a command
              "help @GROUP" lists a group of commands, such as @string or @hash
              "connect HOST PORT" changes the server
              "clear" clears the screen
              "quit" or "exit" ends

        """
}
