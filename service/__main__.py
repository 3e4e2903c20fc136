"""`python -m service`: the same as `deepshelf serve`."""

from service.cli import app

if __name__ == "__main__":
    app()
