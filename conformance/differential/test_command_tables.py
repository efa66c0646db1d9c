"""COMMAND and its subcommands: what they say of each promised command is what the reference says of it."""
import re

import pytest

from support.promised import COMMANDS, CONTAINERS, NEW_IN_72, SUBCOMMANDS, full_names

ALL_SUCCEED = (b"request_policy:all_nodes", b"response_policy:all_succeeded")

# What COMMAND INFO of Redis 7.2 says where it is not what 7.0 says.
INFO_72 = {
    "client|setname": {"tips": ALL_SUCCEED},
    "command|getkeys": {"arity": -3},
    "command|getkeysandflags": {"arity": -3},
    "config|resetstat": {"tips": ALL_SUCCEED},
    "config|rewrite": {"tips": ALL_SUCCEED},
    "msetnx": {"tips": ()},
    "randomkey": {"tips": (b"request_policy:all_shards", b"response_policy:special", b"nondeterministic_output")},
    "scan": {"tips": (b"nondeterministic_output", b"request_policy:special", b"response_policy:special")},
    "zrank": {"arity": -3},
    "zrevrank": {"arity": -3},
}

UNIT = "oneof(token:M token:KM token:FT token:MI)"
AREA_OR_POLYGON = (f"oneof?(string:FROMMEMBER block:FROMLONLAT(double double)) "
                   f"oneof(block(double:BYRADIUS {UNIT}) block(double:BYBOX double {UNIT}) block(integer:BYPOLYGON block*(double double)))")
WITH = "token:WITHCOORD? token:WITHDIST? token:WITHHASH?"
ORDER, COUNT = "oneof?(token:ASC token:DESC)", "block?(integer:COUNT token:ANY?)"
STORE = "oneof?(key:STORE key:STOREDIST)"

SINCE_26 = {"deprecated_since": b"2.6.12", "doc_flags": [b"deprecated"]}

# The same for COMMAND DOCS. Arguments are written as in `arguments_of`.
DOCS_72 = {
    "psetex": SINCE_26,
    "setex": SINCE_26,
    "setnx": SINCE_26,
    "zinter": {"arguments": "integer key* integer:WEIGHTS?* oneof:AGGREGATE?(token:SUM token:MIN token:MAX token:COUNT) token:WITHSCORES?"},
    "zinterstore": {"arguments": "key integer key* integer:WEIGHTS?* oneof:AGGREGATE?(token:SUM token:MIN token:MAX token:COUNT)"},
    "zrank": {"arguments": "key string token:WITHSCORE?"},
    "zrevrank": {"arguments": "key string token:WITHSCORE?"},
    "zscan": {"arguments": "key integer pattern:MATCH? integer:COUNT? token:NOSCORES?"},
    "zunion": {"arguments": "integer key* integer:WEIGHTS?* oneof:AGGREGATE?(token:SUM token:MIN token:MAX token:COUNT) token:WITHSCORES?"},
    "zunionstore": {"arguments": "key integer key* integer:WEIGHTS?* oneof:AGGREGATE?(token:SUM token:MIN token:MAX token:COUNT)"},
    "quit": {"deprecated_since": b"7.2.0", "doc_flags": [b"deprecated"]},
    "bitop": {"arguments": "oneof(token:AND token:OR token:XOR token:NOT token:DIFF token:DIFF1 token:ANDOR token:ONE) key key*"},
    "set": {"arguments": "key string oneof?(token:NX token:XX string:IFEQ string:IFNE string:IFDEQ string:IFDNE) token:GET? "
                         "oneof?(integer:EX integer:PX unix-time:EXAT unix-time:PXAT token:KEEPTTL)"},
    "pfmerge": {"arguments": "key key?*"},
    "geohash": {"arguments": "key string?*"},
    "geopos": {"arguments": "key string?*"},
    # With the polygons of Valkey 9.
    "geosearch": {"arguments": f"key {AREA_OR_POLYGON} {ORDER} {COUNT} {WITH}"},
    "geosearchstore": {"arguments": f"key key {AREA_OR_POLYGON} {ORDER} {COUNT} token:STOREDIST?"},
    "georadius": {"arguments": f"key double double double {UNIT} {WITH} {COUNT} {ORDER} {STORE}"},
    "georadiusbymember": {"arguments": f"key string double {UNIT} {WITH} {COUNT} {ORDER} {STORE}"},
    "client|list": {"arguments": "oneof:TYPE?(token:NORMAL token:MASTER token:REPLICA token:PUBSUB) integer:ID?*"},
    "client|kill": {"arguments": "oneof(string oneof*(integer:ID? "
                                 "oneof:TYPE?(token:NORMAL token:MASTER token:SLAVE token:REPLICA token:PUBSUB) "
                                 "string:USER? string:ADDR? string:LADDR? oneof:SKIPME?(token:YES token:NO) string:MAXAGE?))"},
    "client|pause": {"since": b"3.0.0"},
    "command|getkeys": {"arguments": "string string?*"},
    "command|getkeysandflags": {"arguments": "string string?*"},
    "config|get": {"arguments": "string*"},
    # As in 7.4.
    "hscan": {"arguments": "key integer pattern:MATCH? integer:COUNT? token:NOVALUES?"},
}

# COMMAND INFO of what 7.2 added, and the arguments by COMMAND DOCS.
ADDED_IN_72 = {
    "client|no-touch": {
        "name": b"client|no-touch", "arity": 3, "flags": {b"noscript", b"loading", b"stale"}, "first": 0, "last": 0, "step": 0,
        "categories": {b"@slow", b"@connection"}, "tips": (), "specs": [], "subcommands": set(),
        "arguments": "oneof(token:ON token:OFF)"},
    "client|setinfo": {
        "name": b"client|setinfo", "arity": 4, "flags": {b"noscript", b"loading", b"stale"}, "first": 0, "last": 0, "step": 0,
        "categories": {b"@slow", b"@connection"}, "tips": ALL_SUCCEED, "specs": [], "subcommands": set(),
        "arguments": "oneof(string:LIB-NAME string:LIB-VER)"},
}

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


@pytest.mark.parametrize("name", [name for name in full_names() if name not in NEW_IN_72])
def test_command_info(name, server, reference, version):
    with server.connect(3) as tested, reference.connect(3) as other:
        ours, theirs = info(tested, name), info(other, name)
        assert not ours.is_null, f"{name} is not listed"
        ours, theirs = described(ours), described(theirs)
    promised = {f"{name}|{sub}".lower() for sub in SUBCOMMANDS[name.upper()]} if name.upper() in CONTAINERS else set()
    if version < (7, 2):
        promised -= set(NEW_IN_72)
    assert {name.encode() for name in promised} <= ours.pop("subcommands")
    theirs.pop("subcommands")
    if version >= (7, 2):
        theirs.update(INFO_72.get(name, {}))
    assert ours == theirs


@pytest.mark.since72
@pytest.mark.parametrize("name", ADDED_IN_72)
def test_added_in_72(name, server):
    with server.connect(3) as client:
        wanted = dict(ADDED_IN_72[name])
        arguments = wanted.pop("arguments")
        assert described(info(client, name)) == wanted
        docs = client("COMMAND", "DOCS", name).plain()[name.encode()]
        assert (docs[b"since"], docs[b"group"]) == (b"7.2.0", b"connection")
        assert arguments_of(docs) == arguments


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


@pytest.mark.parametrize("name", [name for name in full_names() if name not in NEW_IN_72])
def test_command_docs(name, server, reference, version):
    """Words may differ; what the words are about may not."""
    with server.connect(3) as tested, reference.connect(3) as other:
        ours, theirs = (side("COMMAND", "DOCS", name).plain() for side in (tested, other))
    assert list(ours) == [name.encode()]
    ours, theirs = ours[name.encode()], theirs[name.encode()]
    assert ours[b"summary"] and ours[b"summary"].strip() == ours[b"summary"]
    changed = DOCS_72.get(name, {}) if version >= (7, 2) else {}
    for field in ("since", "group", "deprecated_since", "doc_flags"):
        assert ours.get(field.encode()) == changed.get(field, theirs.get(field.encode())), field
    assert (b"subcommands" in ours) == (b"subcommands" in theirs)
    assert arguments_of(ours) == changed.get("arguments", arguments_of(theirs))


def arguments_of(docs):
    """Types, tokens and options of the arguments as one line; the hints of command-line clients are made of these.

    `type:TOKEN`, `?` if optional, `*` if it may be repeated, its parts in parentheses."""
    def one(argument):
        flags = argument.get(b"flags", [])
        text = argument[b"type"].decode().replace("pure-token", "token")
        if b"token" in argument:
            text += ":" + argument[b"token"].decode().upper()
        text += "?" * (b"optional" in flags) + "*" * (b"multiple" in flags) + "+" * (b"multiple_token" in flags)
        if b"arguments" in argument:
            text += "(" + " ".join(map(one, argument[b"arguments"])) + ")"
        return text
    return " ".join(map(one, docs.get(b"arguments", [])))


def test_command_docs_of_everything_describes_every_command(server):
    with server.connect(3) as client:
        docs = client("COMMAND", "DOCS").plain()
        assert len(docs) == client("COMMAND", "COUNT").value
    assert all(entry[b"summary"] and entry[b"since"] and entry[b"group"] for entry in docs.values())


@pytest.mark.parametrize("container", [*SUBCOMMANDS])
@pytest.mark.parametrize("protocol", [2, 3])
def test_help_names_every_subcommand(container, protocol, server, reference, version):
    with server.connect(protocol) as tested, reference.connect(protocol) as other:
        ours, theirs = tested(container, "HELP"), other(container, "HELP")
    assert ours.kind == theirs.kind == "*"
    assert {line.kind for line in ours.value} == {"+"}
    lines = ours.plain()
    assert lines[0] == theirs.plain()[0]
    named = {re.split(rb"[ (\[<]", line)[0].upper() for line in lines[1:] if not line.startswith(b" ")}
    promised = set(SUBCOMMANDS[container]) - {"STRINGMATCH-LEN"}     # which Redis does not tell of
    if version < (7, 2):
        promised -= {name.split("|")[1].upper() for name in NEW_IN_72 if "|" in name}
    assert {name.encode() for name in promised} <= named
    assert lines[-2] == b"HELP" and lines[-1].startswith(b"    ")
