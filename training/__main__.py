"""`python -m training`."""

import sys


def run() -> None:
    """Run the command line, or say how to install what it needs."""
    try:
        from training.cli.main import main

        main()
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error}. Install it with: pip install 'deepshelf[training]'")


if __name__ == "__main__":
    run()
