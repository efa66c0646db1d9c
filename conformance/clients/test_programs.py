"""Client libraries of other languages, as Debian has them. Each program in programs/ runs one topic and tells what went wrong."""
import os
import pathlib
import shutil
import subprocess

import pytest

PROGRAMS = pathlib.Path(__file__).parent / "programs"
TOPICS = ["connect", "pipeline", "transaction", "binary", "errors"]
CLIENTS = {
    "hiredis": None,        # compiled by a fixture
    "node-redis": ["node", PROGRAMS / "node_redis_client.js"],
    "ruby-redis": ["ruby", PROGRAMS / "ruby_redis_client.rb"],
    "php-redis": ["php", PROGRAMS / "php_redis_client.php"],
    "perl-redis": ["perl", PROGRAMS / "perl_redis_client.pl"],
}


@pytest.fixture(scope="session")
def hiredis_program(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("clang")
    assert compiler, "no C compiler"
    program = tmp_path_factory.mktemp("hiredis") / "hiredis_client"
    subprocess.run([compiler, "-Wall", "-o", program, PROGRAMS / "hiredis_client.c", "-lhiredis"], check=True)
    return program


@pytest.mark.parametrize("password", ["", "open sesame"], ids=["open", "password"])
@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("client", CLIENTS)
def test_client(client, topic, password, server, guarded, hiredis_program):
    launched = guarded if password else server
    command = CLIENTS[client] or [hiredis_program]
    # Node looks for what Debian installs only when it is told where.
    environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs:" + os.environ.get("NODE_PATH", "")}
    run = subprocess.run([*command, topic, launched.host, str(launched.port), password], capture_output=True, text=True, timeout=60,
                         env=environment)
    assert run.returncode == 0 and run.stdout.endswith("done\n"), f"{run.stdout}{run.stderr}"
    launched.check_alive()
