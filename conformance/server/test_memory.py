"""MEMORY STATS and PURGE: the numbers are those of INFO and follow the data."""
import pytest

pytestmark = pytest.mark.ours


def stats(client):
    return client("MEMORY", "STATS").plain()


def test_numbers_agree_with_each_other_and_with_info(server):
    with server.connect(3) as client:
        client("DEBUG", "POPULATE", 20_000, "key", 100)
        client("SELECT", 5)
        client("SET", "k", "v", "EX", 1000)
        numbers = stats(client)
        info = dict(line.split(":", 1) for line in client("INFO", "memory").plain().decode().splitlines() if ":" in line)
    assert numbers[b"keys.count"] == 20_001
    assert abs(numbers[b"total.allocated"] - int(info["used_memory"])) < 100_000
    assert abs(numbers[b"dataset.bytes"] - int(info["used_memory_dataset"])) < 100_000
    assert numbers[b"dataset.bytes"] == numbers[b"total.allocated"] - numbers[b"overhead.total"]
    assert 110 < numbers[b"keys.bytes-per-key"] < 300
    tables = sum(numbers[name][b"overhead.hashtable.main"] + numbers[name][b"overhead.hashtable.expires"] for name in (b"db.0", b"db.5"))
    assert numbers[b"overhead.total"] == numbers[b"startup.allocated"] + numbers[b"clients.normal"] + tables
    assert 20_000 * 8 < numbers[b"db.0"][b"overhead.hashtable.main"] < 20_000 * 32
    assert numbers[b"db.0"][b"overhead.hashtable.expires"] == 0 < numbers[b"db.5"][b"overhead.hashtable.expires"]
    assert b"db.1" not in numbers
    assert numbers[b"peak.allocated"] >= numbers[b"total.allocated"]


def test_purge_gives_pages_back(start):
    # A server of its own: the peak of another would be that of other tests.
    with start().connect(3) as client:
        client("DEBUG", "POPULATE", 100_000, "key", 500)
        used = stats(client)
        assert client("MEMORY", "DOCTOR").plain().startswith(b"Hi Sam, I can't find any memory issue")
        for start in range(0, 100_000, 1000):
            client("UNLINK", *[f"key:{index}" for index in range(start, start + 1000)])
        assert client("MEMORY", "PURGE").value == b"OK"
        left = stats(client)
        assert left[b"allocator.resident"] < used[b"allocator.resident"] - 30_000_000
        assert left[b"total.allocated"] < used[b"total.allocated"] / 10
        assert left[b"peak.percentage"] < 50
        assert b"db0" in client("MEMORY", "MALLOC-STATS").plain()
