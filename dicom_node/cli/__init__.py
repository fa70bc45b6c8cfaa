"""The command line: ``dicom-node``. Every command's module is imported when the command runs, so that help is quick."""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Annotated, NoReturn

import typer

from dicom_node import __version__
from dicom_node.cli import apply, doctor, jobs, models, network, rules, series, serve
from dicom_node.cli.options import example
from dicom_node.errors import NodeError
from inference.errors import InferenceError

app = typer.Typer(
    name="dicom-node",
    help="Receives MR series, runs the model that the rules name, and sends derived series to the PACS. Research use.",
    epilog=example("dicom-node doctor", "dicom-node serve --config node.yaml"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("apply", epilog=apply.EXAMPLE)(apply.apply)
app.add_typer(rules.app, name="rules")
app.add_typer(series.app, name="series")
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.command("send", epilog=network.SEND_EXAMPLE)(network.send)
app.command("echo", epilog=network.ECHO_EXAMPLE)(network.echo)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        typer.echo(f"dicom-node {__version__}")
        raise typer.Exit


def main() -> None:
    """Run a command; what it refuses is one line on standard error and exit status 1."""
    atexit.register(gc.freeze)  # or the interpreter, before it ends, searches all that the libraries made: 0.4 s
    try:
        app()
    except (NodeError, InferenceError) as error:
        _refuse(str(error))
    except OSError as error:
        if error.filename is None:  # not about a file that the user named or the settings name
            raise
        _refuse(f"{error.filename}: {error.strerror}")


def _refuse(reason: str) -> NoReturn:
    print(f"dicom-node: {reason}", file=sys.stderr)
    sys.exit(1)
