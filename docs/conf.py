"""How `make docs` builds the site: Markdown through MyST, mathematics as MathML, nothing from the network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

project = "DeepVideo-R1"
author = copyright = "the DeepVideo-R1 authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "generated", "docstrings"]
exclude_patterns = ["_build"]
default_role = "code"

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "DeepVideo-R1"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
python_display_short_literal_types = True
