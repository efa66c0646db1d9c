"""The suite about itself: no module names what there is not, which would be found only when the line is run: some are run by chance."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent


def test_all_names_are_known():
    modules = [path for path in HERE.rglob("*.py") if not any(part.startswith(".") for part in path.relative_to(HERE).parts)]
    assert len(modules) > 100
    found = subprocess.run([sys.executable, "-m", "pyflakes", *modules], capture_output=True, text=True)
    assert found.returncode in (0, 1) and not found.stderr, found.stderr
    # Fixtures are imported to be used as arguments of the same name, which is told as an import that nobody uses.
    told = [line for line in found.stdout.splitlines() if "imported but unused" not in line and "redefinition of unused" not in line]
    assert not told, "\n".join(told)
