"""How Sphinx builds these pages: ``make docs``.

Nothing is fetched, while building or viewing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from maskstat import __version__

project = "maskstat"
author = "The maskstat developers"
copyright = author  # noqa: A001
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated_pages",
]
exclude_patterns = ["_build", "_ext", "_static", "reference/commands/index.md"]

myst_heading_anchors = 3
suppress_warnings = ["ref.python"]  # the letters of a shape such as (n, p) name nothing

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "maskstat"
html_static_path = ["_static"]
html_css_files = ["maskstat.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5d8a", "color-brand-content": "#0b5d8a"}
}
