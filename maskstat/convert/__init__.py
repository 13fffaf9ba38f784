"""Reading masks from wherever they are: see `maskstat.convert.read`."""
