"""Masks out of runs into files that other programs read: `write_foreign`."""

from maskstat.convert.out.write import WRITABLE, Written, write_foreign

__all__ = ["WRITABLE", "Written", "write_foreign"]
