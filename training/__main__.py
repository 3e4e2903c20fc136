"""`python -m training`: the same commands as `deepshelf train`."""

from training.cli.main import app

if __name__ == "__main__":
    app()
