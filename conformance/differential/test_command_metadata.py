"""COMMAND INFO and COMMAND DOCS of every command and subcommand that redis-server 8.2.3 or valkey-server 9.1.2 has, too.

Where the two differ from each other, either is right. Words that explain (summaries, complexities, the texts of a history and of what
a command is replaced by) are every server's own: only that they are there is compared. What is meant to differ is listed with its reason.
"""
import functools

import pytest

from differential.test_command_tables import described
from support import promised

pytestmark = pytest.mark.ours

# Arguments of Redis 8.4 and later, or of both servers, where each has only a part: here is all of it.
AGGREGATE = "aggregate:oneof=AGGREGATE?(sum:token=SUM min:token=MIN max:token=MAX count:token=COUNT)"
EXPIRATION = ("expiration:oneof?(seconds:integer=EX{0} milliseconds:integer=PX{0} unix-time-seconds:unix-time=EXAT{1} "
              "unix-time-milliseconds:unix-time=PXAT{1} keepttl:token=KEEPTTL{2})")
ARGUMENTS = {
    # As in Valkey, which takes the number of fields for a key, too.
    "hsetex": "key:key#0 key-condition:oneof?(nx:token=NX xx:token=XX) fields-condition:oneof?(fnx:token=FNX fxx:token=FXX) "
              f"{EXPIRATION.format('', '', '')} fields:block=FIELDS(numfields:integer data:block*(field:string value:string))",
    "set": "key:key#0 value:string condition:oneof?[2.6.12](nx:token=NX xx:token=XX ifeq-value:string=IFEQ[8.4.0] "
           "ifne-value:string=IFNE[8.4.0] ifdeq-digest:string=IFDEQ[8.4.0] ifdne-digest:string=IFDNE[8.4.0]) get:token=GET?[6.2.0] "
           + EXPIRATION.format("[2.6.12]", "[6.2.0]", "[6.0.0]"),
    "zinter": f"numkeys:integer key:key#0* weight:integer=WEIGHTS?* {AGGREGATE} withscores:token=WITHSCORES?",
    "zunion": f"numkeys:integer key:key#0* weight:integer=WEIGHTS?* {AGGREGATE} withscores:token=WITHSCORES?",
    "zinterstore": f"destination:key#0 numkeys:integer key:key#1* weight:integer=WEIGHTS?* {AGGREGATE}",
    "zunionstore": f"destination:key#0 numkeys:integer key:key#1* weight:integer=WEIGHTS?* {AGGREGATE}",
}
# What is as in one of the others but for a part: its words, and ours.
PARTS = {
    # Redis had the filter before Valkey.
    "client|kill": ("=MAXAGE?[8.0.0]", "=MAXAGE?[7.4.0]"),
}
HISTORIES = {
    "set": ["2.6.12", "6.0.0", "6.2.0", "7.0.0", "8.4.0"],
    # Of both servers.
    "client|kill": ["2.8.12", "2.8.12", "3.2.0", "5.0.0", "6.2.0", "7.4.0", "8.0.0", "8.1.0", "9.0.0"],
    "client|list": ["2.8.12", "5.0.0", "6.0.0", "6.2.0", "7.0.0", "7.0.3", "7.2.0", "7.4.0", "8.0.0", "8.1.0", "9.0.0"],
}
# Redis had it before Valkey.
SINCE = {"msetex": b"8.4.0"}


@functools.cache
def tables(*servers):
    """Of each server, all commands and subcommands by name: the entries of COMMAND INFO and of COMMAND DOCS."""
    found = []
    for server in servers:
        with server.connect(3) as client:
            entries, docs = {}, {}

            def add_entry(reply):
                entry = described(reply)
                entries[entry["name"].decode()] = entry
                for sub in reply.value[9].value:
                    add_entry(sub)

            def add_docs(table):
                for name, entry in table.items():
                    docs[name.decode()] = entry
                    add_docs(entry.get(b"subcommands", {}))

            for reply in client("COMMAND").value:
                add_entry(reply)
            add_docs(client("COMMAND", "DOCS").plain())
            found.append((entries, docs))
    return found


def is_newest(name):
    """Whether it came with Redis 8.4 or later, so that only Valkey may have it, too."""
    server, version = promised.SINCE[name]
    return server == "Redis" and version >= (8, 4)


def has_peer(name, theirs):
    """Whether there is anything to compare with."""
    assert theirs or is_newest(name), "no server to compare with"
    return bool(theirs)


@pytest.mark.parametrize("name", promised.full_names())
def test_info(name, server, newer_redis, valkey):
    (ours, _), *peers = tables(server, newer_redis, valkey)
    theirs = [entries[name] for entries, _ in peers if name in entries]
    if not has_peer(name, theirs):
        return
    for field, value in ours[name].items():
        if field == "subcommands":
            continue        # each is compared by itself
        assert value in [entry[field] for entry in theirs], field


@pytest.mark.parametrize("name", promised.full_names())
def test_docs(name, server, newer_redis, valkey):
    (_, ours), *peers = tables(server, newer_redis, valkey)
    ours, theirs = ours[name], [docs[name] for _, docs in peers if name in docs]
    if not has_peer(name, theirs):
        return
    for field in (b"group", b"deprecated_since", b"doc_flags"):
        assert ours.get(field) in [docs.get(field) for docs in theirs], field
    assert ours[b"summary"].strip() and ours[b"complexity"].strip()
    assert bool(ours.get(b"replaced_by")) in [bool(docs.get(b"replaced_by")) for docs in theirs]
    same("since", ours[b"since"], [docs[b"since"] for docs in theirs], SINCE.get(name))
    same("history", versions(ours), [versions(docs) for docs in theirs], HISTORIES.get(name))
    assert all(text.strip() for _, text in ours.get(b"history", []))
    trees = [arguments(docs) for docs in theirs]
    if name in PARTS:
        theirs_of_it, ours_of_it = PARTS[name]
        assert any(theirs_of_it in tree for tree in trees), "nothing differs any more"
        trees = [tree.replace(theirs_of_it, ours_of_it) for tree in trees]
    same("arguments", arguments(ours), trees, ARGUMENTS.get(name))


def same(field, ours, theirs, intended):
    """Ours is what one of the others says, or else what is meant to differ."""
    if intended is None:
        assert ours in theirs, field
    else:
        assert ours == intended, field
        assert intended not in theirs, f"{field}: nothing differs any more"


def versions(docs):
    return [version.decode() for version, _ in docs.get(b"history", [])]


# All that is told of an argument, but for what explains it.
DESCRIBED = {b"name", b"type", b"token", b"display_text", b"key_spec_index", b"flags", b"since", b"deprecated_since", b"summary",
             b"arguments"}


def arguments(docs):
    """All arguments as one line: `name:type=TOKEN`, what is shown instead of the name behind @, the key spec behind #, `?` if optional, `*`
    if it may be repeated, `+` if the token is, too, the version that brought it in brackets, and behind a minus the one since which it is
    deprecated, its parts in parentheses."""
    def one(argument):
        flags = argument.get(b"flags", [])
        name = argument[b"name"].decode()
        text = f"{name}:{argument[b'type'].decode()}".replace("pure-token", "token")
        if b"token" in argument:
            text += "=" + argument[b"token"].decode()
        if argument.get(b"display_text", b"") not in (b"", argument[b"name"]):
            text += "@" + argument[b"display_text"].decode()
        if b"key_spec_index" in argument:
            text += "#%d" % argument[b"key_spec_index"]
        text += "?" * (b"optional" in flags) + "*" * (b"multiple" in flags) + "+" * (b"multiple_token" in flags)
        for field, sign in ((b"since", ""), (b"deprecated_since", "-")):
            if field in argument:
                text += f"[{sign}{argument[field].decode()}]"
        assert not set(argument) - DESCRIBED, argument
        if b"arguments" in argument:
            text += "(" + " ".join(map(one, argument[b"arguments"])) + ")"
        return text
    return " ".join(map(one, docs.get(b"arguments", [])))


def tokens(docs):
    """All words that are typed as they are."""
    found = set()
    for argument in docs.get(b"arguments", []):
        found |= {argument[b"token"]} if b"token" in argument else set()
        found |= tokens(argument)
    return found


@pytest.mark.parametrize("name", promised.full_names())
def test_a_version_is_told_that_has_all_words(name, server, reference, newer_redis):
    """docs/COMMANDS.md does not say that a command is as in a version which lacks some of its words."""
    (_, ours), *peers = tables(server, reference, newer_redis)
    told, newest = promised.AS_IN[name]
    for (_, docs), version in zip(peers, ((7, 0), (8, 2))):
        if name in docs and tokens(ours[name]) - tokens(docs[name]):
            assert told == "Valkey" or newest[:2] > version


def test_every_declared_command_is_compared(server, newer_redis, valkey):
    (ours, docs), *peers = tables(server, newer_redis, valkey)
    assert set(ours) == set(docs)
    known = {name for entries, _ in peers for name in entries}
    assert all(is_newest(name) for name in set(ours) - known)
    assert set(ours) == set(promised.full_names())


@pytest.mark.parametrize("name", ["getset", "lpop", "bitfield", "sort", "zadd", "config"])
def test_docs_have_the_same_form(name, server, newer_redis):
    """The same fields in the same order, sets and maps where the other has them. Texts and the lengths of histories are not compared."""
    def form(reply, key=None):
        if reply.kind == "%":
            return "%", [(name.value, form(value, name.value)) for name, value in reply.value if name.value != b"subcommands"]
        if reply.kind == "*" and key == b"arguments":
            return "*", [form(argument) for argument in reply.value]
        return reply.kind
    with server.connect(3) as tested, newer_redis.connect(3) as other:
        ours, theirs = tested("COMMAND", "DOCS", name), other("COMMAND", "DOCS", name)
    assert form(ours) == form(theirs)
    with server.connect(2) as tested:
        flat = tested("COMMAND", "DOCS", name).value[1]
    assert [field.value for field in flat.value[::2]] == [field.value for field, _ in ours.value[0][1].value]
