"""Runs the case files in cases/ (their language: support/cases.py)."""
import pathlib

import pytest

from support.cases import read_cases, run_case


CASES = [case for path in sorted((pathlib.Path(__file__).parent / "cases").glob("*.txt")) for case in read_cases(path)]
PARAMETERS = [
    pytest.param(case, protocol, id=f"{case.path.stem}: {case.title} (RESP{protocol})",
                 marks=[pytest.mark.since72] if case.since72 or case.peer != "reference" else [])
    for case in CASES for protocol in case.protocols
]


@pytest.mark.parametrize("case, protocol", PARAMETERS)
def test_same_replies(case, protocol, server, request, version):
    run_case(case, protocol, request.getfixturevalue(case.peer), server, version)
