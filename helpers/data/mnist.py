"""MNIST and Fashion-MNIST, downloaded once by torchvision: 28×28 pixels, 256 gray levels.

Sources: LeCun, Bottou, Bengio, Haffner 1998, Proc. IEEE 86(11); Xiao, Rasul, Vollgraf 2017,
arXiv:1708.07747.
"""

import shutil
import tempfile

from helpers import session
from helpers.data import Images

FASHION = ("T-shirt", "trousers", "pullover", "dress", "coat",
           "sandal", "shirt", "sneaker", "bag", "boot")  # fmt: skip


def load(name: str) -> Images:
    """The pictures "mnist" or "fashion_mnist" as uint8 (N, 28, 28), gray levels 0 to 255.

    Of the published training part, the last 5,000 pictures are the validation part.
    The download goes to data/cache; one that fails or is damaged leaves nothing behind.

    Errors: ConnectionError, with what to do, if the files cannot be had; ValueError for another
    name.
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


def _cached(kind: type, name: str) -> tuple:
    """The training and test part from the cache, downloaded first if they are not there."""
    folder = session.CACHE / name
    try:
        return kind(folder, train=True), kind(folder, train=False)
    except Exception:  # not there, or damaged: fetch it anew
        shutil.rmtree(folder, ignore_errors=True)
    session.CACHE.mkdir(parents=True, exist_ok=True)
    fresh = tempfile.mkdtemp(prefix=f"{name}-", dir=session.CACHE)
    try:
        kind(fresh, train=True, download=True)
        kind(fresh, train=False, download=True)
        shutil.move(fresh, folder)  # complete, or not there at all
    except Exception as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ConnectionError(
            f"{name} could not be downloaded ({reason}); check the network and run this cell "
            "again, or set GENAI_PROFILE=quick before starting Jupyter to work offline."
        ) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return kind(folder, train=True), kind(folder, train=False)
