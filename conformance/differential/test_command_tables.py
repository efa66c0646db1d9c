"""COMMAND and its subcommands, but for what they say of each command: that is in test_command_metadata.py."""
import re

import pytest

from support.promised import COMMANDS, CONTAINERS, NEW_IN_72, SUBCOMMANDS, full_names

FIELDS = "name arity flags first last step categories tips specs subcommands".split()


def described(reply):
    """One entry of COMMAND INFO as a dictionary in which what has no order is a set."""
    entry = dict(zip(FIELDS, reply.value))
    return {
        "name": entry["name"].value,
        "arity": entry["arity"].value,
        "flags": frozenset(entry["flags"].plain()),
        "first": entry["first"].value,
        "last": entry["last"].value,
        "step": entry["step"].value,
        "categories": frozenset(entry["categories"].plain()),
        "tips": tuple(entry["tips"].plain()),
        "specs": [key_spec(spec) for spec in entry["specs"].value],
        "subcommands": {sub.value[0].value for sub in entry["subcommands"].value},
    }


def key_spec(reply):
    spec = reply.as_pairs()
    spec[b"flags"] = sorted(spec[b"flags"])
    return spec


def info(connection, name):
    reply = connection("COMMAND", "INFO", name)
    assert reply.kind == "*" and len(reply.value) == 1, reply
    return reply.value[0]


def test_command_info_has_the_same_form_in_both_protocols(server, reference):
    for one in (server, reference):
        with one.connect(2) as two, one.connect(3) as three:
            old, new = info(two, "get"), info(three, "get")
            assert [part.kind for part in old.value] == list("$:*:::****")
            assert [part.kind for part in new.value] == list("$:~:::~~~~")
            assert [part.kind for part in old.value[2].value] == ["+"] * 2
            assert [part.kind for part in new.value[2].value] == ["+"] * 2
            assert new.value[8].value[0].kind == "%" and old.value[8].value[0].kind == "*"


def test_command_without_subcommand_lists_every_command(client):
    entries = client("COMMAND").value
    names = {entry.value[0].value for entry in entries}
    assert {name.lower().encode() for name in COMMANDS} <= names
    assert client("COMMAND", "COUNT").value == len(entries) == len(names)


def test_command_info_without_names_is_the_whole_list(client):
    names = lambda reply: {entry.value[0].value for entry in reply.value}
    assert names(client("COMMAND", "INFO")) == names(client("COMMAND"))


def test_command_list(client):
    listed = client("COMMAND", "LIST").plain()
    assert {name.encode() for name in full_names()} - {name.encode() for name in NEW_IN_72} <= set(listed)
    assert len(listed) == len(set(listed))
    tops = [name for name in listed if b"|" not in name]
    assert len(tops) == client("COMMAND", "COUNT").value


@pytest.mark.parametrize("category", ["hash", "string", "keyspace", "transaction", "dangerous", "connection", "fast", "slow", "admin",
                                      "read", "write"])
def test_command_list_by_category(category, server, reference):
    promised = {name.encode() for name in full_names()} - {name.encode() for name in NEW_IN_72}
    with server.connect() as tested, reference.connect() as other:
        ours = set(tested("COMMAND", "LIST", "FILTERBY", "ACLCAT", category).plain()) & promised
        theirs = set(other("COMMAND", "LIST", "FILTERBY", "ACLCAT", category).plain()) & promised
    assert ours == theirs


def test_command_docs_of_everything_describes_every_command(server):
    with server.connect(3) as client:
        docs = client("COMMAND", "DOCS").plain()
        assert len(docs) == client("COMMAND", "COUNT").value
    assert all(entry[b"summary"] and entry[b"since"] and entry[b"group"] for entry in docs.values())


# Redis refuses CLUSTER HELP outside of a cluster.
@pytest.mark.parametrize("container", [name for name in SUBCOMMANDS if name != "CLUSTER"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_help_names_every_subcommand(container, protocol, server, reference, version):
    with server.connect(protocol) as tested, reference.connect(protocol) as other:
        ours, theirs = tested(container, "HELP"), other(container, "HELP")
    assert ours.kind == "*"
    assert {line.kind for line in ours.value} == {"+"}
    lines = ours.plain()
    headline = f"{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".encode()
    assert lines[0] == headline
    if container.lower() not in NEW_IN_72:
        assert theirs.kind == "*" and theirs.plain()[0] == headline
    named = {re.split(rb"[ (\[<]", line)[0].upper() for line in lines[1:] if not line.startswith(b" ")}
    promised = set(SUBCOMMANDS[container]) - {"STRINGMATCH-LEN"}     # which Redis does not tell of
    if version < (7, 2):
        promised -= {name.split("|")[1].upper() for name in NEW_IN_72 if "|" in name}
    assert {name.encode() for name in promised} <= named
    assert lines[-2] == b"HELP" and lines[-1].startswith(b"    ")
