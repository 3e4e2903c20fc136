"""`python -m deepshelf`."""

from deepshelf.cli import main

if __name__ == "__main__":
    main()
