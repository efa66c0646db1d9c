"""What COMMAND says of the commands that Redis 7.0 does not have: as Redis's own tables and documentation do."""
import pytest

from differential.test_command_tables import arguments_of, described, info

FIELDS = "block:FIELDS(integer string*)"
DEADLINE = "integer:EX integer:PX unix-time:EXAT unix-time:PXAT"
CONDITION = "oneof?(token:NX token:XX token:GT token:LT)"


def command(name, since, arity, flags, keys, arguments):
    return pytest.param(name, since, arity, flags, keys, arguments, id=name)


@pytest.mark.since72
@pytest.mark.parametrize("name, since, arity, flags, keys, arguments", [
    command("hexpire", "7.4.0", -6, "write denyoom fast", "RW update", f"key integer {CONDITION} {FIELDS}"),
    command("hpexpire", "7.4.0", -6, "write denyoom fast", "RW update", f"key integer {CONDITION} {FIELDS}"),
    command("hexpireat", "7.4.0", -6, "write denyoom fast", "RW update", f"key unix-time {CONDITION} {FIELDS}"),
    command("hpexpireat", "7.4.0", -6, "write denyoom fast", "RW update", f"key unix-time {CONDITION} {FIELDS}"),
    command("httl", "7.4.0", -5, "readonly fast", "RO access", f"key {FIELDS}"),
    command("hpttl", "7.4.0", -5, "readonly fast", "RO access", f"key {FIELDS}"),
    command("hexpiretime", "7.4.0", -5, "readonly fast", "RO access", f"key {FIELDS}"),
    command("hpexpiretime", "7.4.0", -5, "readonly fast", "RO access", f"key {FIELDS}"),
    command("hpersist", "7.4.0", -5, "write fast", "RW update", f"key {FIELDS}"),
    command("hgetdel", "8.0.0", -5, "write fast", "RW access delete", f"key {FIELDS}"),
    command("hgetex", "8.0.0", -5, "write fast", "RW access update", f"key oneof?({DEADLINE} token:PERSIST) {FIELDS}"),
    command("hsetex", "8.0.0", -6, "write denyoom fast", "RW update",
            f"key oneof?(token:NX token:XX) oneof?(token:FNX token:FXX) oneof?({DEADLINE} token:KEEPTTL) "
            "block:FIELDS(integer block*(string string))"),
])
def test_hash_fields(name, since, arity, flags, keys, arguments, server):
    with server.connect(3) as client:
        ours = described(info(client, name))
        docs = client("COMMAND", "DOCS", name).plain()[name.encode()]
    (spec,) = ours["specs"]
    assert ours["name"] == name.encode() and ours["arity"] == arity
    assert ours["flags"] == set(flags.encode().split())
    assert (ours["first"], ours["last"], ours["step"]) == (1, 1, 1)
    assert ours["categories"] == {b"@hash", b"@fast", b"@read" if "readonly" in flags else b"@write"}
    assert ours["tips"] == ()
    assert sorted(spec[b"flags"]) == sorted(keys.encode().split())
    assert (docs[b"since"].decode(), docs[b"group"]) == (since, b"hash")
    assert arguments_of(docs) == arguments
