"""Hold the soft limits: 400 lines a module, 60 a function; every exception has its reason here."""

import ast
import sys
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 60

#: path, or path::function -> why it may be longer.
EXCEPTIONS: dict[str, str] = {
    "src/secgroup/reference/decide.py::_decide": "the thirteen steps, as one list to read",
    "src/secgroup/reference/decide.py::_pass_groups": "steps 8 to 12 of the same list",
}

ROOT = Path(__file__).resolve().parent.parent


def too_long(path: Path) -> list[tuple[str, int]]:
    """Return what in a module is over its limit, with its number of lines."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text()
    found = []
    if text.count("\n") > MODULE_LINES:
        found.append((name, text.count("\n")))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append((f"{name}::{node.name}", lines))
    return found


def main() -> int:
    """Print what is too long without a reason, and reasons that nothing needs any more."""
    found = dict(each for path in sorted((ROOT / "src").rglob("*.py")) for each in too_long(path))
    for name, lines in found.items():
        if name not in EXCEPTIONS:
            print(f"{name}: {lines} lines, and no reason in tools/check_sizes.py")
    for name in EXCEPTIONS.keys() - found.keys():
        print(f"{name}: is short enough; take its reason out of tools/check_sizes.py")
    return int(found.keys() != EXCEPTIONS.keys())


if __name__ == "__main__":
    sys.exit(main())
