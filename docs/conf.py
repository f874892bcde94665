"""How Sphinx builds the docs: MyST Markdown, every link checked, a warning is an error (`make docs`)."""

import teamtask

project = "Teamtask"
author = "the Teamtask authors"
release = version = teamtask.__version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3  # [text](page.md#a-heading) may point at headings down to this depth

html_theme = "furo"
html_title = f"Teamtask {release}"
html_show_copyright = False
