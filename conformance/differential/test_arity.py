"""Every command with too few and too many arguments, in either case, outside and inside a transaction."""
import pytest

from support.promised import COMMANDS, CONTAINERS, NEW_IN_72, SUBCOMMANDS

# Those whose arity changed with 7.2; what they say then is in cases/server.txt.
ARITY_CHANGED = {("COMMAND", "GETKEYS"), ("COMMAND", "GETKEYSANDFLAGS"), ("ZRANK",), ("ZREVRANK",)}

WORDS = [(name,) for name in COMMANDS
         if name not in ("SHUTDOWN", "QUIT") and name.lower() not in NEW_IN_72 and (name,) not in ARITY_CHANGED]
WORDS += [(container, sub) for container in CONTAINERS for sub in SUBCOMMANDS[container]
          if f"{container}|{sub}".lower() not in NEW_IN_72 and (container, sub) not in ARITY_CHANGED]


def arity(connection, words):
    entry = connection("COMMAND", "INFO", "|".join(words)).value[0]
    return entry.value[1].value


def wrong_counts(number):
    """Numbers of words, the name included, that a command of this arity refuses."""
    low = range(1, abs(number))
    return list(low) + ([number + 1, number + 5] if number > 0 else [])


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_wrong_number_of_arguments(words, server, reference):
    with server.connect() as tested, reference.connect() as other:
        for count in wrong_counts(arity(other, words)):
            if count < len(words):
                continue
            for spelled in (words, [word.lower() for word in words]):
                command = [*spelled, *["x"] * (count - len(words))]
                ours, theirs = tested(*command), other(*command)
                assert theirs.is_error
                assert ours.raw == theirs.raw, command


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_wrong_number_of_arguments_aborts_a_transaction(words, server, reference):
    with server.connect() as tested, reference.connect() as other:
        counts = [count for count in wrong_counts(arity(other, words)) if count >= len(words)]
        for count in counts[:1]:
            for command in (["MULTI"], [*words, *["x"] * (count - len(words))], ["EXEC"]):
                ours, theirs = tested(*command), other(*command)
                assert ours.raw == theirs.raw, command


@pytest.mark.since72
@pytest.mark.parametrize("words", [("CLIENT", "NO-TOUCH"), ("CLIENT", "SETINFO"), ("COMMAND", "GETKEYS"), ("COMMAND", "GETKEYSANDFLAGS"),
                                   ("ZRANK",), ("ZREVRANK",)],
                         ids=" ".join)
def test_wrong_number_of_arguments_of_72(words, client):
    wanted = "-ERR wrong number of arguments for '%s' command\r\n" % "|".join(words).lower()
    assert client(*words).raw == wanted.encode()
