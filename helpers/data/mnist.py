"""MNIST and Fashion-MNIST, downloaded once by torchvision: 28×28 pixels, 256 gray levels.

Sources: LeCun, Bottou, Bengio, Haffner 1998, Proc. IEEE 86(11); Xiao, Rasul, Vollgraf 2017,
arXiv:1708.07747.
"""

import contextlib
import shutil
import socket
import tempfile
from pathlib import Path

from helpers import session
from helpers.data import Images

SILENCE = 30.0  # seconds without a byte after which a download is given up

FASHION = ("T-shirt", "trousers", "pullover", "dress", "coat",
           "sandal", "shirt", "sneaker", "bag", "boot")  # fmt: skip


def load(name: str) -> Images:
    """The pictures "mnist" or "fashion_mnist" as uint8 (N, 28, 28), gray levels 0 to 255.

    Of the published training part, the last 5,000 pictures are the validation part.
    The download goes to data/cache; one that fails or is damaged leaves nothing behind.

    Errors: ConnectionError, with what to do, if the files cannot be had or kept; ValueError for
    another name.
    """
    from torchvision import datasets

    kinds = {"mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST}
    if name not in kinds:
        raise ValueError(f"no data set called {name!r} here: use 'mnist' or 'fashion_mnist'")
    train, test = _cached(kinds[name], name)
    return Images(
        train.data[:-5000], train.targets[:-5000], train.data[-5000:], train.targets[-5000:],
        test.data, test.targets,
        levels=256, classes=FASHION if name == "fashion_mnist" else tuple("0123456789"),
    )  # fmt: skip


def _read(kind: type, folder: Path) -> tuple:
    """The training and test part, as objects that hold them in memory."""
    return kind(folder, train=True), kind(folder, train=False)


def _cached(kind: type, name: str) -> tuple:
    """The training and test part from the cache, downloaded first if they are not there."""
    folder = session.CACHE / name
    try:
        return _read(kind, folder)
    except Exception:  # not there, or damaged: fetch it anew
        fresh, patience = None, socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(SILENCE)  # torchvision would wait for ever
        session.CACHE.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=session.CACHE))
        kind(fresh, train=True, download=True)
        kind(fresh, train=False, download=True)
        parts = _read(kind, fresh)
        with contextlib.suppress(OSError):  # another notebook may be doing the same
            if folder.exists():
                shutil.rmtree(folder)
            fresh.rename(folder)  # complete, or not there at all
        return parts
    except Exception as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ConnectionError(
            f"{name} could not be downloaded ({reason}); check the network and the free disk and "
            "run this cell again, or set GENAI_PROFILE=quick before starting Jupyter to work "
            "offline."
        ) from None
    finally:
        socket.setdefaulttimeout(patience)
        if fresh:
            shutil.rmtree(fresh, ignore_errors=True)
