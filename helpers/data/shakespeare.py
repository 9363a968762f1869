"""Tiny Shakespeare, downloaded once: a million letters of his plays, for models of letters.

Source: the file of Karpathy's char-rnn, 2015, https://github.com/karpathy/char-rnn; the plays are
in the public domain.
"""

import hashlib
import os
from urllib.request import urlopen

from helpers import session

ADDRESS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
SILENCE = 30.0  # seconds without a byte after which a download is given up


def load() -> str:
    """The text, 1,115,394 ASCII characters; it is kept in data/cache, whole or not at all.

    Errors: ConnectionError, with what to do, if it cannot be had or kept.
    """
    place = session.CACHE / "tinyshakespeare.txt"
    try:
        if not (place.exists() and _is_whole(place.read_bytes())):
            content = urlopen(ADDRESS, timeout=SILENCE).read()
            if not _is_whole(content):
                raise ValueError("what came is another text")
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
            try:
                partial.write_bytes(content)
                partial.replace(place)
            finally:
                partial.unlink(missing_ok=True)
        return place.read_text(encoding="utf-8")
    except Exception as error:  # a cut connection has many names
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConnectionError(
            f"Tiny Shakespeare could not be downloaded ({reason}); check the network and the free "
            "disk and run this cell again, or set GENAI_PROFILE=quick before starting Jupyter to "
            "work offline."
        ) from None


def _is_whole(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256
