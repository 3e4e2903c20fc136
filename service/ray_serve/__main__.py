"""`python -m service.ray_serve`: deploy the service on a Ray cluster, and exit."""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from pydantic import ValidationError

from service.settings import Settings
from service.startup_errors import describe_settings_errors, setting_name


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy the service, which the cluster then serves. Return 2 if the settings are wrong."""
    options = _argument_parser().parse_args(arguments)
    if find_spec("ray") is None:
        return _exit_with_error("a cluster needs Ray: pip install 'deepshelf[ray]'")
    try:
        settings = Settings()
    except ValidationError as error:
        return _exit_with_error(describe_settings_errors(error))
    if not settings.store.is_dir():
        return _exit_with_error(f"{setting_name('store')}: there is no folder {settings.store}")
    from service.ray_serve.application import build_application, deploy_application

    settings = settings.model_copy(update={"store": settings.store.resolve()})
    application = build_application(
        settings,
        replicas=(options.min_replicas, options.max_replicas),
        ingresses=options.ingresses,
        cpus=options.cpus,
    )
    deploy_application(settings, options.address, application)
    return 0


def _argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.ray_serve",
        description="Serve the store from a Ray cluster. Settings are those of python -m service, "
        "from the environment.",
    )
    parser.add_argument(
        "--address", default="auto", help="address of the cluster (default: on this machine)"
    )
    parser.add_argument("--min-replicas", type=int, default=1, help="replicas of each model")
    parser.add_argument("--max-replicas", type=int, default=4, help="replicas of each model")
    parser.add_argument("--ingresses", type=int, default=1, help="processes that decode and encode")
    parser.add_argument("--cpus", type=float, default=1.0, help="CPUs of each replica and ingress")
    return parser


def _exit_with_error(problem: str) -> int:
    sys.stderr.write(f"error: {problem}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
