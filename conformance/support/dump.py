"""DUMP payloads built by hand: every form in which Redis has ever saved a value, sound or damaged.

The forms are told of in Redis's rdb.c, listpack.c, ziplist.c, zipmap.c and intset.c.
"""
import struct

REFLECTED_POLYNOMIAL = 0x95AC9329AC4BC9B5


def _table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (REFLECTED_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


TABLE = _table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def sealed(value, version=9):
    """A type with its value as a payload: version and checksum behind it."""
    data = value + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def payload(kind, *parts, version=9):
    return sealed(bytes([kind]) + b"".join(parts), version)


def opened(data):
    """The type and value of a payload."""
    return data[:-10]


def length(number):
    if number < 1 << 6:
        return bytes([number])
    if number < 1 << 14:
        return struct.pack(">H", 0x4000 | number)
    if number < 1 << 32:
        return b"\x80" + struct.pack(">I", number)
    return b"\x81" + struct.pack(">Q", number)


def string(data):
    data = data.encode() if isinstance(data, str) else data
    return length(len(data)) + data


def strings(*items):
    return b"".join(map(string, items))


def canonical_integer(data):
    try:
        value = int(data)
    except ValueError:
        return None
    return value if b"%d" % value == data and -1 << 63 <= value < 1 << 63 else None


# --- listpacks ---------------------------------------------------------------------------------------------------------------------


def listpack_element(item, text=False):
    """`text` keeps what spells an integer as text, which no server does."""
    data = item if isinstance(item, bytes) else str(item).encode()
    value = None if text else canonical_integer(data)
    if value is not None:
        if 0 <= value <= 127:
            body = bytes([value])
        elif -4096 <= value <= 4095:
            body = bytes([0xC0 | (value >> 8 & 0x1F), value & 0xFF])
        else:
            size, mark = next((size, mark) for size, mark in ((2, 0xF1), (3, 0xF2), (4, 0xF3), (8, 0xF4))
                              if -1 << size * 8 - 1 <= value < 1 << size * 8 - 1)
            body = bytes([mark]) + value.to_bytes(size, "little", signed=True)
    elif len(data) < 64:
        body = bytes([0x80 | len(data)]) + data
    elif len(data) < 4096:
        body = bytes([0xE0 | len(data) >> 8, len(data) & 0xFF]) + data
    else:
        body = b"\xF0" + struct.pack("<I", len(data)) + data
    size, back = len(body), []
    while True:
        back.append(size & 0x7F)
        size >>= 7
        if not size:
            break
    back = [part | (0x80 if index else 0) for index, part in enumerate(reversed(back))]
    return body + bytes(back)


def listpack_of(elements, count):
    body = b"".join(elements)
    return struct.pack("<IH", len(body) + 7, min(count, 65535)) + body + b"\xFF"


def listpack(*items, count=None, text=False):
    return listpack_of([listpack_element(item, text) for item in items], len(items) if count is None else count)


# --- ziplists, zip maps, arrays of integers ------------------------------------------------------------------------------------------


def ziplist(*items, count=None, tail=None, wide=False):
    body, before, last = b"", 0, 10
    for item in items:
        data = item if isinstance(item, bytes) else str(item).encode()
        value = canonical_integer(data)
        if value is not None and 0 <= value <= 12:
            entry = bytes([0xF1 + value])
        elif value is not None:
            size, mark = next((size, mark) for size, mark in ((1, 0xFE), (2, 0xC0), (3, 0xF0), (4, 0xD0), (8, 0xE0))
                              if -1 << size * 8 - 1 <= value < 1 << size * 8 - 1)
            entry = bytes([mark]) + value.to_bytes(size, "little", signed=True)
        elif len(data) < 64:
            entry = bytes([len(data)]) + data
        elif len(data) < 1 << 14:
            entry = struct.pack(">H", 0x4000 | len(data)) + data
        else:
            entry = b"\x80" + struct.pack(">I", len(data)) + data
        entry = (bytes([before]) if before < 254 and not wide else b"\xFE" + struct.pack("<I", before)) + entry
        last = 10 + len(body)
        before = len(entry)
        body += entry
    return struct.pack("<IIH", len(body) + 11, last if tail is None else tail, len(items) if count is None else count) + body + b"\xFF"


def zipmap(*pairs, count=None, spare=0):
    def part(data):
        return bytes([len(data)]) if len(data) < 254 else b"\xFE" + struct.pack("<I", len(data))
    body = b"".join(part(field) + field + part(value) + bytes([spare]) + value + b"s" * spare for field, value in pairs)
    return bytes([min(len(pairs), 254) if count is None else count]) + body + b"\xFF"


def intset(*values, size=None, count=None):
    size = size or max([2] + [next(size for size in (2, 4, 8) if -1 << size * 8 - 1 <= value < 1 << size * 8 - 1) for value in values])
    body = b"".join(value.to_bytes(size, "little", signed=True) for value in values)
    return struct.pack("<II", size, len(values) if count is None else count) + body
