"""The suite about itself: no promised command and no command that the server declares is without a case."""
import ast
import pathlib

import pytest

from support.cases import read_cases
from support.promised import COMMANDS, CONTAINERS, SUBCOMMANDS

HERE = pathlib.Path(__file__).resolve().parent.parent


def in_case_files():
    for path in (HERE / "differential" / "cases").glob("*.txt"):
        for case in read_cases(path):
            for step in case.steps:
                if step.arguments:
                    yield [word.decode("latin-1") for word in step.arguments[:2]]


def in_test_modules():
    """First words of calls such as client("CLIENT", "PAUSE", ...) in tests that speak to a server directly."""
    for folder in ("differential", "server", "hostile"):
        for path in (HERE / folder).glob("test_*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    words = []
                    for argument in node.args[:2]:
                        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                            break
                        words.append(argument.value)
                    if words:
                        yield words


def names(calls):
    seen = set()
    for words in calls:
        name = words[0].upper()
        seen.add(name)
        if name in SUBCOMMANDS and len(words) > 1:
            seen.add(f"{name}|{words[1].upper()}")
    return seen


def promised():
    return set(COMMANDS) | {f"{container}|{sub}" for container, subs in SUBCOMMANDS.items() for sub in subs if sub != "HELP"}


def test_every_promised_command_has_a_case():
    missing = promised() - names(in_case_files()) - names(in_test_modules())
    assert not missing


def test_every_data_command_has_a_case_file_entry():
    """Those that can be compared reply by reply are in the case files, not only in a test's code."""
    elsewhere = {"SHUTDOWN"} | {"CLIENT|UNPAUSE"}
    missing = promised() - names(in_case_files()) - elsewhere
    assert not missing


@pytest.mark.ours
def test_every_command_that_the_server_declares_has_a_case(client):
    declared = {name.decode().upper() for name in client("COMMAND", "LIST").plain()}
    covered = names(in_case_files()) | names(in_test_modules())
    covered |= {f"{container}|HELP" for container in CONTAINERS}        # test_command_tables.py
    assert not declared - covered


def test_every_test_file_is_found_by_pytest():
    """A file with tests whose name pytest does not collect would never run."""
    for path in HERE.glob("*/**/*.py"):
        if ".venv" in path.parts or path.name.startswith("test_"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                assert not node.name.startswith("test_"), f"{path}: {node.name}"
