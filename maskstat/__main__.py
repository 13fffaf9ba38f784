"""Entry point of ``maskstat`` and ``python -m maskstat``."""

from maskstat.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
