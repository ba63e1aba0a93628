"""The command line: options in, text out. No rules here: the packages below know those.

Each command is a module of this package, loaded only when it is asked for.
"""

import codecs
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from secgroup.errors import OutputError, SecgroupError

#: Command -> the first line of its help, so that `secgroup --help` loads none of them.
COMMANDS: Final = {
    "replay": "Decide every packet of a capture, and say why.",
    "explain": "Follow one connection there and back, with the rules that decide.",
    "serve": "Serve EC2's API for security groups on this machine.",
    "attach": "Put an interface's groups before a device.",
    "detach": "Take an interface's groups away from its device.",
    "connections": "List what the kernel plane tracks now.",
    "logs": "Follow the kernel plane's verdicts as they happen.",
    "export": "Write what an endpoint keeps as describe output.",
    "lab": "Build a network of namespaces, a filter in front of every interface.",
    "lesson": "Run the lesson's claims, packet by packet.",
}

#: What standard output may say when it has no room.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

DONE: Final = 0
NO: Final = 1
BAD_INPUT: Final = 2
OUR_FAULT: Final = 3
INTERRUPTED: Final = 130


class _LazyGroup(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"secgroup.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was meant."""
        if args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(COMMANDS)}"
            ctx.fail(f"no command {args[0]!r} ({hint})")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an interrupt and a closed pipe are silent, which click's are not."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except (BrokenPipeError, OutputError) as error:
            if isinstance(error, OutputError) and not isinstance(error.__cause__, BrokenPipeError):
                raise
            _leave_pipe()
            raise click.exceptions.Exit(DONE) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="secgroup", message="%(prog)s %(version)s")
def secgroup() -> None:
    """AWS security groups as real software.

    Given a network and packets, decide every packet as AWS would, statefully, and say why.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one line each."""
    try:
        code = secgroup.main(args=arguments, prog_name="secgroup", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _leave_pipe()
        return DONE
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return BAD_INPUT
    except click.ClickException as error:
        return _complain(f"{error.format_message()}", BAD_INPUT)
    except (OutputError, SecgroupError) as error:
        return _complain(str(error), BAD_INPUT)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            _leave_pipe()
            return _complain(f"standard output: cannot be written: {error.strerror}", BAD_INPUT)
        import traceback

        traceback.print_exc()
        return _complain("this is a fault of secgroup's, not yours", OUR_FAULT)
    return code if isinstance(code, int) else DONE


def _leave_pipe() -> None:
    """Nobody reads us any more; standard output must not fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str, code: int) -> int:
    click.echo(f"secgroup: {text}", err=True)
    return code


#: What a terminal gets that lacks a character; anything else is a question mark.
_PLAIN: Final = {"→": "->", "✓": "+", "✗": "x", "–": "-", "…": "..."}


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, "?") for each in lacking), error.end


def main() -> None:
    """Be the program `secgroup`, on terminals that lack characters, and without any."""
    codecs.register_error("secgroup.plain", _plain)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="secgroup.plain")
    sys.exit(run())
