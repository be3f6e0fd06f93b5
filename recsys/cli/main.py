"""The command ``recsys``: one file a command, errors as exit codes."""

import sys
import traceback
from typing import Annotated

import typer
from rich.console import Console

from recsys import __version__
from recsys.cli import experiment, keys, models, user
from recsys.cli.compare import compare
from recsys.cli.demo import demo
from recsys.cli.doctor import doctor
from recsys.cli.evaluate import evaluate
from recsys.cli.exit_codes import OK, exit_code
from recsys.cli.init import init
from recsys.cli.output import messages
from recsys.cli.recommend import recommend
from recsys.cli.schema import schema
from recsys.cli.segment import segment
from recsys.cli.serve import serve
from recsys.cli.simulate import simulate
from recsys.cli.train import train
from recsys.cli.tune import tune
from recsys.cli.validate import validate
from recsys.errors import RecsysError

app = typer.Typer(
    name="recsys",
    help="A recommendation engine in which customer segments are first-class.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    init,
    schema,
    doctor,
    validate,
    segment,
    train,
    tune,
    recommend,
    evaluate,
    compare,
    serve,
    simulate,
    demo,
):
    app.command()(command)
app.add_typer(models.app, name="models")
app.add_typer(experiment.app, name="experiment")
app.add_typer(user.app, name="user")
app.add_typer(keys.app, name="keys")


def _version(asked: bool) -> None:
    if asked:
        Console().print(__version__, highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """Take the options of every command."""
    del version


def main() -> None:
    """Run the command line, and leave with the exit code of what happened."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code; an error of ours is one line on stderr."""
    try:
        app(arguments, prog_name="recsys")
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else OK
    except RecsysError as error:
        messages().print(f"error: {error}", style="red")
        return exit_code(error)
    except Exception as error:
        traceback.print_exc()
        return exit_code(error)
    return OK
