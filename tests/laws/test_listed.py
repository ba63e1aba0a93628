"""The laws are those that ARCHITECTURE.md lists."""

import re
from pathlib import Path

from tests.laws import test_increment, test_laws, test_planes


def test_architecture_lists_every_law() -> None:
    text = (Path(__file__).resolve().parents[2] / "ARCHITECTURE.md").read_text()
    listed = set(re.findall(r"^- `(\w+)`: ", text.partition("## Laws")[2], re.MULTILINE))
    laws = {
        name.removeprefix("test_").removesuffix("_compiled").removesuffix("_of_tables")
        for module in (test_laws, test_increment, test_planes)
        for name, each in vars(module).items()
        if name.startswith("test_") and hasattr(each, "hypothesis")
    }
    assert laws == listed
