"""``maskstat plot KIND``: one file a kind, found by its name, with its ``command``.

A kind imports what it draws with when it runs, so that the list of kinds costs nothing.
"""
