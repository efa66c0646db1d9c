"""A directory that a program can be started in as its root, with nothing but the program, its libraries and what a test adds.

There is no /proc in it. Only root may do this; elsewhere the tests that need it are skipped.
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest


class Root:
    def __init__(self, directory, *programs):
        self.directory = pathlib.Path(directory)
        for program in programs:
            self.add(program)

    def add(self, program):
        """The program and every library that the dynamic linker loads for it, each under its own path."""
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for path in [str(program), *re.findall(r"(/\S+) \(0x", listed)]:
            target = self.directory / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(path, target)

    def enter(self):
        """To be called in the child, before the program begins."""
        os.chroot(self.directory)
        os.chdir("/")


def make(directory, *programs):
    if os.geteuid() != 0:
        pytest.skip("only root may change the root directory")
    return Root(directory, *programs)
