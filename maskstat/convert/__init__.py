"""Reading masks from wherever they are."""

from maskstat.convert.read import read, read_all

__all__ = ["read", "read_all"]
