"""Hold the soft limits: 400 lines a module, 60 a function; every exception has its reason here."""

import ast
import sys
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 60

#: path, or path::function -> why it may be longer.
EXCEPTIONS: dict[str, str] = {
    "src/secgroup/dataplane/bpf/libbpf.py": "every call and structure of one library, declared",
    "src/secgroup/engine/decisions.py": (
        "one schema, as lines, as Arrow and as Parquet, side by side"
    ),
    "src/secgroup/engine/kernels/aggregate.py": (
        "a table of records: hash, fragments, counting and handing out"
    ),
    "src/secgroup/engine/kernels/aggregate.py::accumulate": (
        "one pass over the rows, in three stages of one block"
    ),
    "src/secgroup/engine/kernels/aggregate.py::hand_out": (
        "every column of a record, one after the other"
    ),
    "src/secgroup/engine/kernels/connections.py": (
        "a table of connections: names, fragments, index and numbering"
    ),
    "src/secgroup/engine/kernels/connections.py::number_connections": (
        "one pass over the frames, in stages of one block"
    ),
    "src/secgroup/engine/kernels/decisions.py::format_decisions": (
        "every field of a line, one after the other"
    ),
    "src/secgroup/engine/kernels/outcomes.py::see": (
        "one pass over the frames: what each of them changes"
    ),
    "src/secgroup/engine/kernels/rule_sets.py::number_pairs": "half of it is what its columns mean",
    "src/secgroup/engine/engine.py": "the columns of a batch and what outlives it, in one place",
    "src/secgroup/engine/kernels/decide.py": "the loop over packets, with what it calls for each",
    "src/secgroup/engine/kernels/decide.py::decide": "one pass over the packets, in step order",
    "src/secgroup/engine/kernels/place.py": "every pass between a batch of frames and its rows",
    "src/secgroup/engine/kernels/screen.py::screen": "one pass over the packets, in step order",
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
