"""Entry point of ``maskstat`` and ``python -m maskstat``."""

import gc

# Imports leave nothing to collect, and looking for it takes a tenth of the start-up; the group of
# commands turns collection on again once the command is loaded.
gc.disable()

from maskstat.cli.app import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    main()
