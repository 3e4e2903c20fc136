"""`python -m models_store`: the same commands as `deepshelf models`."""

from models_store.cli import app

if __name__ == "__main__":
    app()
