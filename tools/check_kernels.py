"""Check that kernels are loops over what they were given: `python -m tools.check_kernels`.

A function of `engine/kernels` is a kernel, decorated by `kernel` or `inlined` and nothing else,
and an inlined one is imported by kernels alone. It uses its arguments, its own names, other
kernels, `prefetch`, a few built-in functions, NumPy's integers,
and numbers: constants in capitals, from `engine` or its own module. Everything else would be
frozen, allocated, or not compiled. Options of the compiler are chosen in `kernels/__init__`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "src" / "secgroup" / "engine" / "kernels"
BUILTINS = frozenset({"abs", "bool", "int", "len", "max", "min", "range"})
NUMPY = frozenset(
    {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"intp", "uintp"}
)
FORBIDDEN = (
    ast.Await, ast.ClassDef, ast.Dict, ast.DictComp, ast.FunctionDef, ast.GeneratorExp, ast.Global,
    ast.JoinedStr, ast.Lambda, ast.List, ast.ListComp, ast.Nonlocal, ast.Raise, ast.Set,
    ast.SetComp, ast.Try, ast.With, ast.Yield, ast.YieldFrom,
)  # fmt: skip


def problems(path: Path) -> Iterator[str]:
    """Yield what is wrong in one module, with its line."""
    tree = ast.parse(path.read_text(), str(path))
    kernels, constants = {"prefetch"}, set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names = {alias.asname or alias.name for alias in node.names}
            if (node.module or "").startswith("secgroup.engine.kernels"):
                kernels |= names
            constants |= {each for each in names if each.isupper()}
        elif isinstance(node, ast.FunctionDef):
            kernels.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            constants |= {each.id for each in targets if isinstance(each, ast.Name)}
        elif not isinstance(node, ast.Import | ast.Expr):
            yield f"{path.name}:{node.lineno}: {type(node).__name__} beside kernels"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield from _of_kernel(path, node, kernels, constants)


def _of_kernel(
    path: Path, function: ast.FunctionDef, kernels: set[str], constants: set[str]
) -> Iterator[str]:
    where = f"{path.name}:{function.lineno}: {function.name}"
    if [ast.unparse(each) for each in function.decorator_list] not in (["kernel"], ["inlined"]):
        yield f"{where} is not decorated by kernel alone"
    own = {each.arg for each in function.args.args}
    if function.args.vararg or function.args.kwarg or function.args.defaults:
        yield f"{where} has optional arguments"
    inside = [each for statement in function.body for each in ast.walk(statement)]
    own |= {
        each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    for each in inside:
        line = f"{path.name}:{getattr(each, 'lineno', 0)}: {function.name}"
        if isinstance(each, FORBIDDEN):
            yield f"{line} has a {type(each).__name__}"
        elif isinstance(each, ast.Attribute) and ast.unparse(each.value) == "np":
            if each.attr not in NUMPY:
                yield f"{line} uses np.{each.attr}"
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            known = own | kernels | constants | BUILTINS | {"np"}
            if each.id not in known:
                yield f"{line} uses {each.id}, which it was not given"


def inlined() -> frozenset[tuple[str, str]]:
    """Return the module and name of every kernel that Python cannot call."""
    return frozenset(
        (f"secgroup.engine.kernels.{path.stem}", node.name)
        for path in KERNELS.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and [ast.unparse(each) for each in node.decorator_list] == ["inlined"]
    )


def imports(path: Path, forbidden: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Yield the imports of inlined kernels in a module that holds no kernels."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (node.module or "", alias.name) in forbidden:
                    yield f"{path.name}:{node.lineno}: {alias.name} is inlined, no Python calls it"


def main() -> int:
    found = [
        problem
        for path in sorted(KERNELS.glob("*.py"))
        if path.name != "__init__.py"
        for problem in problems(path)
    ]
    forbidden = inlined()
    for folder in ("src", "tests", "benchmarks", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.parent != KERNELS:
                found += imports(path, forbidden)
    print("\n".join(found) or "kernels: fine")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
