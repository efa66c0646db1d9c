"""The commands that resp-server has, as this suite knows them: every one must have a case, and COMMAND must describe it.

They are read from docs/COMMANDS.md, which a unit test compares with the declarations. So a new command is known here without a word, and one
that vanishes is missed by its cases. COMMAND itself is not asked, for what it tells is tested with this.
"""
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "COMMANDS.md"


def rows():
    """Of each command and subcommand of the page its words, syntax included, since which version of which server there is one, and
    which version it is as in."""
    row = r"^\| `([^`]+)` \| (Redis|Valkey) ([\d.]+) \| (Redis|Valkey) ([\d.]+) \|"
    for words, *versions in re.findall(row, PAGE.read_text(), re.MULTILINE):
        since, newest = ((server, tuple(map(int, version.split(".")))) for server, version in (versions[:2], versions[2:]))
        yield words.split(" "), since, newest


def is_newer(server, version):
    """Whether it came with Redis 7.2 or later, so that an older reference is not to be asked of it."""
    return server != "Redis" or version >= (7, 2)


ROWS = list(rows())
assert ROWS, f"{PAGE} tells of no command"
# Only a command without arguments of its own has subcommands.
BARE = {words[0] for words, *_ in ROWS if len(words) == 1}
COMMANDS = [words[0] for words, *_ in ROWS if len(words) == 1 or words[0] not in BARE]
SUBCOMMANDS = {name: [words[1] for words, *_ in ROWS if words[0] == name and len(words) > 1] for name in COMMANDS if name in BARE}
SUBCOMMANDS = {name: subcommands for name, subcommands in SUBCOMMANDS.items() if subcommands}
CONTAINERS = list(SUBCOMMANDS)

# DEBUG's subcommands are no commands of their own in Redis: COMMAND does not list them and their arity is not checked apart. Here are those
# of Redis that are tested.
SUBCOMMANDS["DEBUG"] = """SLEEP OBJECT SET-ACTIVE-EXPIRE POPULATE QUICKLIST-PACKED-THRESHOLD STRINGMATCH-LEN DIGEST DIGEST-VALUE PROTOCOL
ERROR HELP""".split()

# Of each, by its name as COMMAND knows it, which server had it first, and since which version, and which version of which it is as in.
VERSIONS = {"|".join(words[:2] if words[0] in CONTAINERS else words[:1]).lower(): versions for words, *versions in ROWS}
SINCE = {name: since for name, (since, _) in VERSIONS.items()}
AS_IN = {name: newest for name, (_, newest) in VERSIONS.items()}
NEW_IN_72 = [name for name, since in SINCE.items() if is_newer(*since)]

INFO_SECTIONS = "server clients memory stats keyspace cpu commandstats errorstats".split()


def full_names():
    """Lower-case names as COMMAND knows them: get, config|set, ..."""
    names = [name.lower() for name in COMMANDS]
    for container in CONTAINERS:
        names += [f"{container}|{name}".lower() for name in SUBCOMMANDS[container]]
    return names
