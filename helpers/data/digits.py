"""1,797 handwritten digits of 8×8 pixels and 17 gray levels, which come with scikit-learn.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository 1998 (its test part: 13 writers who are not among the 30 of its training part).
"""

from helpers.data import Images


def load() -> Images:
    """The digits, split as published notebooks split them: 0:1000, 1000:1350, 1350: in file order.

    Pixels are uint8 (N, 8, 8) with gray levels 0 (paper) to 16 (ink).
    """
    import torch
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = torch.from_numpy(bunch.images).to(torch.uint8)  # (1797, 8, 8)
    y = torch.from_numpy(bunch.target).long()  # (1797,)
    return Images(
        x[:1000], y[:1000], x[1000:1350], y[1000:1350], x[1350:], y[1350:],
        levels=17, classes=tuple("0123456789"),
    )  # fmt: skip
