"""What INFO tells of the last moments."""
from support.resp import eventually


def rate(client):
    lines = client("INFO", "stats").value.decode().splitlines()
    return int(next(line for line in lines if line.startswith("instantaneous_ops_per_sec:")).split(":")[1])


def test_a_reset_forgets_them_and_nothing_lingers(start):
    with start().connect() as client:
        def measured():
            client.pipeline([("PING",)] * 1000)
            return rate(client) > 100
        assert eventually(measured)
        client("CONFIG", "RESETSTAT")
        assert rate(client) == 0
        assert eventually(measured)
        # As in Redis, sixteen looks, ten a second.
        assert eventually(lambda: rate(client) < 50)
