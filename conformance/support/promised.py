"""The commands that resp-server has, as this suite knows them: every one must have a case, and COMMAND must describe it."""

STRINGS = """APPEND DECR DECRBY GET GETDEL GETEX GETRANGE GETSET INCR INCRBY INCRBYFLOAT LCS MGET MSET MSETNX PSETEX SET SETEX SETNX
SETRANGE STRLEN SUBSTR""".split()

KEYS = """COPY DEL EXISTS EXPIRE EXPIREAT EXPIRETIME KEYS MOVE OBJECT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PTTL RANDOMKEY RENAME
RENAMENX SCAN TOUCH TTL TYPE UNLINK""".split()

HASHES = """HDEL HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HRANDFIELD HSCAN HSET HSETNX HSTRLEN HVALS""".split()

BITMAPS = "BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS GETBIT SETBIT".split()

CONNECTION = "PING ECHO AUTH HELLO SELECT QUIT RESET CLIENT".split()

TRANSACTIONS = "MULTI EXEC DISCARD WATCH UNWATCH".split()

SERVER = "DBSIZE FLUSHDB FLUSHALL SWAPDB TIME INFO COMMAND CONFIG DEBUG SHUTDOWN LOLWUT MEMORY FUNCTION".split()

COMMANDS = STRINGS + BITMAPS + KEYS + HASHES + CONNECTION + TRANSACTIONS + SERVER

SUBCOMMANDS = {
    "OBJECT": "ENCODING FREQ HELP IDLETIME REFCOUNT".split(),
    "CLIENT": "ID INFO LIST GETNAME SETNAME SETINFO KILL NO-EVICT NO-TOUCH REPLY PAUSE UNBLOCK UNPAUSE HELP".split(),
    "COMMAND": "COUNT DOCS GETKEYS GETKEYSANDFLAGS HELP INFO LIST".split(),
    "CONFIG": "GET SET RESETSTAT REWRITE HELP".split(),
    "MEMORY": "USAGE HELP".split(),
    "FUNCTION": "FLUSH LIST HELP".split(),
    "DEBUG": "SLEEP OBJECT SET-ACTIVE-EXPIRE POPULATE STRINGMATCH-LEN DIGEST DIGEST-VALUE PROTOCOL ERROR HELP".split(),
}

# DEBUG's subcommands are no commands of their own in Redis: COMMAND does not list them and their arity is not checked apart.
CONTAINERS = [name for name in SUBCOMMANDS if name != "DEBUG"]

# New in Redis 7.2, so not to be asked of an older reference.
NEW_IN_72 = ["client|no-touch", "client|setinfo"]

INFO_SECTIONS = "server clients memory stats keyspace cpu commandstats errorstats".split()


def full_names():
    """Lower-case names as COMMAND knows them: get, config|set, ..."""
    names = [name.lower() for name in COMMANDS]
    for container in CONTAINERS:
        names += [f"{container}|{name}".lower() for name in SUBCOMMANDS[container]]
    return names
