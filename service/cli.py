"""`deepshelf serve`: one option per setting, then the service."""

from collections.abc import Iterator
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from service.settings import ENV_PREFIX, Settings
from service.startup_errors import StartupError, describe_settings_errors

_PANELS = {
    "host": "Address and processes",
    "store": "Models",
    "keys": "Access",
    "docs": "Pages",
    "tls_certfile": "TLS",
    "max_body_bytes": "Limits of requests",
    "max_concurrent_generations": "Queue and time limits",
    "shared_dir": "Logs and operation",
}
"""The first setting of each group of options; a group ends where the next begins."""

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


def _serve(**options: str | None) -> None:
    from service.serve import run

    given = {name: text for name, text in options.items() if text}
    try:
        run(Settings(**given))  # type: ignore[arg-type]  # pydantic parses them
    except ValidationError as error:
        message = describe_settings_errors(error, given)
    except StartupError as error:
        message = error.describe(given)
    else:
        return
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)


def _parameters() -> Iterator[Parameter]:
    panel = ""
    for name, field in Settings.model_fields.items():
        panel = _PANELS.get(name, panel)
        option = typer.Option(
            "--" + name.replace("_", "-"),
            help=_help(field),
            rich_help_panel=panel,
            show_default=False,
            metavar="[true|false]" if field.annotation is bool else None,
        )
        choices = field.annotation if get_origin(field.annotation) is Literal else str
        annotation = Annotated[choices | None, option]  # type: ignore[valid-type]  # built at run time
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split())
    default: Any = field.get_default(call_default_factory=True, validated_data={})
    if default not in (None, (), {}, ""):
        text += f" Default: {str(default).lower() if isinstance(default, bool) else default}."
    return text.replace("[", r"\[")  # rich would read deepshelf[sign] as a style


_serve.__signature__ = Signature(list(_parameters()))  # type: ignore[attr-defined]
app.command(
    help="Serve the published models over REST.",
    epilog=f"Every option is also an environment variable: {ENV_PREFIX}NAME.",
)(_serve)
