import pytest
from tools.check_kernels import KERNELS, imports, inlined, problems

HEAD = "import numpy as np\nfrom secgroup.engine.kernels import kernel\nLIMIT = 4\n"


def test_every_kernel_uses_only_what_it_was_given():
    for path in KERNELS.glob("*.py"):
        if path.name != "__init__.py":
            assert list(problems(path)) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("@kernel\ndef f(a):\n    return a + table[0]\n", "uses table"),
        ("@kernel\ndef f(a):\n    return np.zeros(3)\n", "uses np.zeros"),
        ("@kernel\ndef f(a):\n    return [a]\n", "has a List"),
        ("@kernel\ndef f(a):\n    raise ValueError\n", "has a Raise"),
        ("@kernel\ndef f(a, b=1):\n    return a\n", "optional arguments"),
        ("def f(a):\n    return a\n", "not decorated"),
        ("@kernel\n@other\ndef f(a):\n    return a\n", "not decorated"),
        ("if True:\n    pass\n", "If beside kernels"),
    ],
)
def test_what_is_no_kernel_is_named(tmp_path, body, problem):
    path = tmp_path / "planted.py"
    path.write_text(HEAD + body)
    assert any(problem in each for each in problems(path))


def test_constants_other_kernels_and_integers_are_fine(tmp_path):
    path = tmp_path / "planted.py"
    path.write_text(
        HEAD + "@kernel\ndef g(a):\n    return a\n\n@kernel\ndef f(a):\n"
        "    for i in range(LIMIT):\n        a += np.int64(g(i))\n    return a\n"
    )
    assert list(problems(path)) == []


def test_inlined_kernels_are_imported_by_kernels_alone(tmp_path):
    path = tmp_path / "planted.py"
    path.write_text(
        "from secgroup.engine.kernels.track import find, release\n"
        "from secgroup.engine.kernels.step import tell_acts\n"
    )
    found = list(imports(path, inlined()))
    assert found == ["planted.py:1: release is inlined, no Python calls it"]
