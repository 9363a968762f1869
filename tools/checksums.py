"""The list of hashes of the models that ship, data/models/SHA256SUMS: read, compared, written."""

from pathlib import Path

from helpers import session, weights
from helpers.weights import LIST, sha256


def listed() -> dict[str, str]:
    """The hash of each file of the models that ship, by its path in data/models.

    Errors: OSError or ValueError if the list is missing or damaged.
    """
    return weights.listed(session.ROOT / "data" / "models")


def damaged() -> dict[str, str]:
    """The files of the models that are not as they ship: path in data/models -> "missing", …

    Errors: OSError or ValueError if the list is missing or damaged.
    """
    found = {}
    for name, value in listed().items():
        place = session.ROOT / "data" / "models" / name
        if not place.is_file():
            found[name] = "missing"
        elif sha256(place) != value:
            found[name] = "damaged or of another version"
    return found


def enlist(folder: Path) -> None:
    """Write the hashes of a model's folder into the list, in place of those it had."""
    place = folder.parent / LIST
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    lines = [line for line in lines if not line.split("  ")[1].startswith(f"{folder.name}/")]
    files = [path for path in folder.iterdir() if path.suffix != ".md"]
    lines += [f"{sha256(path)}  {folder.name}/{path.name}" for path in files]
    lines.sort(key=lambda line: line.split("  ")[1])
    new = place.with_name(f"{LIST}.part")  # broken off, the old list stays whole
    new.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    new.replace(place)
