"""Shows the notebooks as pages when the documentation is built: their text and their code."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "notebooks"


def on_files(files: Any, config: Any) -> Any:
    """Adds a page for each notebook to the site (called by MkDocs)."""
    from mkdocs.structure.files import File

    for path in sorted(FOLDER.glob("*.ipynb")):
        content = page_of(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=content))
    return files


def page_of(path: Path) -> str:
    """A notebook's page: Markdown cells as they are, code cells as blocks of code.

    Notebooks link to ``../docs/PAGE.md``, which works where they lie; on the site that is
    ``../PAGE.md``.
    """
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            parts.append(f"```python\n{text}\n```")
        else:
            parts.append(text.replace("](../docs/", "](../"))
    parts.insert(
        1, f"This page shows `notebooks/{path.name}` of the project's folder; run it there."
    )
    return "\n\n".join(parts) + "\n"
