"""Download all that the full profile loads: `python -m tools.prefetch`, for a room without network.

Public models and data sets go where lessons look for them: the hub's cache, and data/cache. What
is there already is kept, so a command that was broken off goes on where it stopped.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from helpers import weights

# Every name on the hub that a lesson loads in the full profile (tests/test_full_profile.py).
MODELS = (
    "HuggingFaceTB/SmolLM2-360M",
    "HuggingFaceTB/SmolLM2-360M-Instruct",
    "google/flan-t5-small",
    "openai-community/gpt2",
    weights.MINILM,
)
DATA = ("knkarthick/samsum", "stanfordnlp/sst2")
PICTURES = ("fashion_mnist", "mnist")
FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")  # no weights of other libraries
ESSENTIAL = ("config.json", "tokenizer.json", weights.WEIGHTS)


def model(name: str) -> None:
    """Download a model and its tokenizer. Errors: OSError and others if it is not all there."""
    from huggingface_hub import snapshot_download

    folder = snapshot_download(name, allow_patterns=FILES, ignore_patterns="*/*")
    # Without a network an unfinished download is returned as if it were whole.
    if missing := [file for file in ESSENTIAL if not Path(folder, file).is_file()]:
        raise FileNotFoundError(f"{', '.join(missing)} did not arrive")


def table(name: str) -> None:
    """Download a data set and prepare it as lessons load it."""
    from datasets import load_dataset

    load_dataset(name)


def pictures(name: str) -> None:
    """Download pictures that come with torchvision."""
    from helpers.data import load_images

    load_images(name)


def shakespeare() -> None:
    """Download the text that lesson 8 of Day 2 reads."""
    from helpers.data import shakespeare

    shakespeare.load()


ITEMS: dict[str, Callable[[], None]] = {
    **{name: partial(model, name) for name in MODELS},
    **{name: partial(table, name) for name in DATA},
    **{name: partial(pictures, name) for name in PICTURES},
    "tinyshakespeare": shakespeare,
}


def reason(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    return f"{type(error).__name__}: {lines[0][:200]}"


def main(arguments: list[str] | None = None) -> int:
    """Download and return the exit code: 0, 1 (something is missing), 2 (an option) or 130."""
    if arguments := sys.argv[1:] if arguments is None else arguments:
        print(f"prefetch takes no options, and was given {arguments[0]}.", file=sys.stderr)
        return 2
    missing = []
    for number, (name, download) in enumerate(ITEMS.items(), 1):
        print(f"{number} of {len(ITEMS)}: {name}", flush=True)
        try:
            download()
        except KeyboardInterrupt:
            print("Stopped: run the same command again to go on.", file=sys.stderr)
            return 130
        except Exception as error:  # whatever keeps one away, the others may come
            missing.append(name)
            print(f"✗ {name} could not be downloaded ({reason(error)}).", flush=True)
    if missing:
        print(
            f"\nMissing: {', '.join(missing)}. Check the network and the free disk, then run the "
            "same command again; what is here is kept."
        )
    else:
        print("\nAll here: the full profile runs without a network. Set HF_HUB_OFFLINE=1 there.")
    return int(bool(missing))


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # Windows writes to a pipe in another encoding
    sys.exit(main())
