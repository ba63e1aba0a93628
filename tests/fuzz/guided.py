"""One target under atheris: `python -m tests.fuzz.guided TARGET FOLDER [libFuzzer options]`."""

import sys

try:
    import atheris
except ImportError:
    sys.exit("fuzzing needs atheris, which this Python has not (3.11 to 3.13 have)")

with atheris.instrument_imports(include=["secgroup"]):
    from tests.fuzz.targets import run


def main() -> None:
    program, name, *options = sys.argv
    atheris.Setup([program, *options], lambda data: run(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
