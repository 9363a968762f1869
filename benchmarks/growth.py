"""How time and memory of each lesson's own code grow, beside what theory says."""

import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from benchmarks import measure
from benchmarks.measure import Report, Table
from tools import lesson

ROUNDS = {"tiny": 1, "default": 5, "full": 15}


@functools.cache
def names(where: str, *wanted: str) -> SimpleNamespace:
    """Definitions of a lesson: names("2.06", "attention")."""
    day, number = map(int, where.split("."))
    return lesson.run(lesson.place(day, number), *wanted)


def step(parameters: Any, loss: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """Forward and backward, and the gradients gone afterwards, as before each step."""
    weights = list(parameters)

    def work():
        value = loss()
        torch.autograd.backward(value, inputs=weights)
        for weight in weights:
            weight.grad = None
        return value

    return work


def without_gradients(function: Callable, *inputs: Any) -> Callable[[], Any]:
    return torch.inference_mode()(lambda: function(*inputs))


# ---------------------------------------------------------------- Day 1


def density(size: int) -> Callable:
    log_density = names("1.01", "log_density").log_density
    return without_gradients(log_density, torch.randn(4, size), torch.zeros(size), torch.eye(size))


def primer(width: int) -> Callable:
    net = names("1.02", "mlp").mlp(width)
    x, y = torch.randn(32, net[0].in_features), torch.randint(10, (32,))
    return step(net.parameters(), lambda: F.cross_entropy(net(x), y))


def mixture(groups: int) -> Callable:
    code = names("1.03", "e_step", "m_step")
    x = torch.randn(4000, 8, dtype=torch.float64)
    eyes = torch.eye(8, dtype=x.dtype).expand(groups, 8, 8)
    start = dict(weights=x.new_full((groups,), 1 / groups), means=x[:groups], covariances=eyes)
    return without_gradients(lambda: code.m_step(x, code.e_step(x, start)))


def memory_weights(units: int) -> Callable:
    return without_gradients(names("1.04", "hebb").hebb, torch.randn(8, units).sign())


def autoencoder(rows: int) -> Callable:
    code = names("1.05", "Autoencoder", "copying_error")
    model = code.Autoencoder(2)
    x = torch.rand(rows, model.encoder[0].in_features)
    return step(model.parameters(), lambda: code.copying_error(model, x))


def vae(rows: int) -> Callable:
    code = names("1.06", "VAE", "negative_elbo")
    model = code.VAE()
    x = torch.randint(17, (rows, model.encoder[0].in_features))
    return step(model.parameters(), lambda: code.negative_elbo(model, x))


def codebook(codes: int) -> Callable:
    quantize = names("1.07", "quantize").quantize
    return without_gradients(quantize, torch.randn(4000, 16), torch.randn(codes, 16))


# ---------------------------------------------------------------- Day 2


def critic(rows: int) -> Callable:
    code = names("2.01", "make_discriminator", "discriminator_loss")
    model = code.make_discriminator()
    x = torch.randn(2, rows, 1, 8, 8)
    return step(model.parameters(), lambda: code.discriminator_loss(model(x[0]), model(x[1])))


def quality(pictures: int) -> Callable:
    code = names("2.02", "distances", "precision_recall", "coverage")
    real, drawn = torch.randn(2, pictures, 32)

    def work():
        among, across = code.distances(real, real), code.distances(drawn, real)
        found = code.precision_recall(among, code.distances(drawn, drawn), across, 5)
        return found, code.coverage(among, across, 5)

    return without_gradients(work)


def styles(channels: int) -> Callable:
    modulated = names("2.03", "modulated_conv").modulated_conv
    x, weight = torch.randn(8, channels, 16, 16), torch.randn(channels, channels, 3, 3)
    return without_gradients(modulated, x, weight, torch.randn(8, channels))


def denoiser(rows: int) -> Callable:
    code = names("2.04", "UNet", "diffusion_loss")
    model = code.UNet()
    x, y = torch.randint(17, (rows, 8, 8)), torch.randint(10, (rows,))
    return step(model.parameters(), lambda: code.diffusion_loss(model, x, y))


def recurrent(length: int) -> Callable:
    code = names("2.05", "LanguageModel", "V")
    model = code.LanguageModel(torch.nn.LSTM)
    ids = torch.randint(code.V, (8, length))
    return step(model.parameters(), lambda: model(ids).square().mean())


def attention(length: int) -> Callable:
    look = names("2.06", "attention").attention
    q, k, v = torch.randn(3, 1, length, 32)
    return without_gradients(look, q, k, v, torch.ones(length, length, dtype=torch.bool))


def transformer(width: int) -> Callable:
    code = names("2.07", "Transformer", "n_english", "n_french")
    model = code.Transformer(width, 4, 2)
    english, french = (torch.randint(1, n, (32, 16)) for n in (code.n_english, code.n_french))
    return step(model.parameters(), lambda: model(english, french).square().mean())


def gpt(rows: int = 8, length: int = 64, width: int = 128, layers: int = 2) -> Callable:
    code = names("2.08", "GPT", "Config", "next_token_loss")
    model = code.GPT(code.Config(144, context=length, width=width, layers=layers, heads=4))
    ids = torch.randint(144, (rows, length + 1))
    return step(model.parameters(), lambda: code.next_token_loss(model, ids))


def one_more_token(length: int) -> Callable:
    code = names("2.08", "attend")
    q = torch.randn(64, 4, 1, 32)
    k, v = torch.randn(2, 64, 4, length, 32)
    return without_gradients(code.attend, q, k, v)


def cache(length: int) -> Callable:
    """Reading a text into the cache of a model of one layer."""
    code = names("2.08", "GPT", "Config", "Cache")
    model = code.GPT(code.Config(144, context=length, width=64, layers=1, heads=4))
    ids = torch.randint(144, (8, length))

    def work():
        kept = code.Cache()
        model(ids, kept)
        return kept

    return without_gradients(work)


def two_sided(length: int) -> Callable:
    """BERT reads a text, with T5's biases of distances: a number for each pair of places."""
    code = names("2.09", "Stack", "Config")
    stack = code.Stack(code.Config(144, width=32, layers=1, hidden=64), left_only=False)
    return without_gradients(stack, torch.randn(1, length, 32))


# ---------------------------------------------------------------- Day 3


def pooling(texts: int) -> Callable:
    pool = names("3.01", "mean_pool").mean_pool
    return without_gradients(pool, torch.randn(texts, 64, 128), torch.ones(texts, 64))


def library_gpt(width: int) -> Callable:
    code = names("3.02", "new_model", "loss_of", "T", "V")
    model = code.new_model(width)
    rows = torch.randint(code.V, (8, code.T + 1))
    return step(model.parameters(), lambda: code.loss_of(model, rows))


def common_words(length: int) -> Callable:
    lcs = names("3.03", "lcs").lcs
    one, two = (torch.randint(20, (length,)).tolist() for _ in range(2))
    return lambda: lcs(one, two)


def four_bits(rows: int) -> Callable:
    code = names("3.05", "nf4_quantize", "LEVELS")
    return without_gradients(code.nf4_quantize, torch.randn(rows, 1024), code.LEVELS)


def chosen_answers(openings: int) -> Callable:
    best_of_n = names("3.06", "best_of_n").best_of_n
    proxy, value = torch.randn(2, openings, 64)
    return without_gradients(best_of_n, proxy, value, 8)


def pictures_and_captions(pairs: int) -> Callable:
    clip_loss = names("3.07", "clip_loss").clip_loss
    one, two = (F.normalize(torch.randn(pairs, 64), dim=1) for _ in range(2))
    return without_gradients(clip_loss, one, two, torch.tensor(10.0))


def vote(tries: int) -> Callable:
    majority = names("3.08", "majority").majority
    votes = torch.randint(10, (tries,)).tolist()
    return lambda: majority(votes)


def intervals(items: int) -> Callable:
    bootstrap = names("3.09", "bootstrap").bootstrap
    return without_gradients(bootstrap, torch.randn(items), torch.randint(items, (500, items)))


def eight_bits(rows: int) -> Callable:
    return without_gradients(names("3.10", "quantize_rows").quantize_rows, torch.randn(rows, 1024))


# ---------------------------------------------------------------- all of them


class Law(NamedTuple):
    lesson: str
    what: str
    of: str  # what grows
    sizes: Sequence[int]
    work: Callable[[int], Callable[[], Any]]  # size -> work
    time: str  # the exponents of theory
    memory: str


LAWS = [
    Law("1.01", "density of a Gaussian", "dimensions", (256, 512, 1024, 2048), density, "3", "2"),
    Law("1.02", "training step of the MLP", "width", (512, 1024, 2048), primer, "2", "2"),
    Law("1.03", "a round of EM", "groups", (4, 8, 16, 32), mixture, "1", "1"),
    Law("1.04", "Hebb's rule", "units", (256, 512, 1024, 2048), memory_weights, "2", "2"),
    Law("1.05", "training step of the autoencoder", "rows", (256, 1024, 4096), autoencoder,
        "1", "1"),
    Law("1.06", "training step of the VAE", "rows", (64, 256, 1024), vae, "1", "1"),
    Law("1.07", "nearest codes", "codes", (64, 256, 1024), codebook, "1", "1"),
    Law("2.01", "loss of the discriminator", "rows", (64, 256, 1024), critic, "1", "1"),
    Law("2.02", "precision, recall and coverage", "pictures", (500, 1000, 2000), quality,
        "2", "2"),
    Law("2.03", "modulated convolution", "channels", (32, 64, 128, 256), styles, "2",
        "1 (filters: 2)"),
    Law("2.04", "training step of the denoiser", "rows", (16, 64, 256), denoiser, "1", "1"),
    Law("2.05", "training step of the LSTM", "length", (64, 128, 256, 512), recurrent, "1", "1"),
    Law("2.06", "attention by hand", "length", (512, 1024, 2048, 4096), attention, "2", "2"),
    Law("2.07", "training step of the transformer", "width", (128, 256, 512), transformer,
        "2 (small operations: 1)", "1 (weights: 2)"),
    Law("2.08", "training step of the GPT", "rows", (4, 8, 16, 32), lambda n: gpt(rows=n),
        "1", "1 (weights: 0)"),
    Law("2.08", "training step of the GPT", "layers", (1, 2, 4, 8), lambda n: gpt(layers=n),
        "1", "1"),
    Law("2.08", "training step of the GPT", "width", (128, 256, 512), lambda n: gpt(width=n),
        "2 (small operations: 1)", "1 (weights: 2)"),
    Law("2.08", "training step of the GPT", "length", (128, 256, 512, 1024),
        lambda n: gpt(rows=1, length=n), "1 to 2 (attention: 2)", "1"),
    Law("2.08", "one more token, keys and values kept", "length", (256, 512, 1024, 2048),
        one_more_token, "1", "0"),
    Law("2.08", "reading into the cache", "length", (256, 512, 1024, 2048), cache,
        "1 to 2 (attention: 2)", "1"),
    Law("2.09", "reading with biases of distance", "length", (512, 1024, 2048), two_sided,
        "2", "2"),
    Law("3.01", "mean pooling", "texts", (64, 256, 1024), pooling, "1", "1"),
    Law("3.02", "training step of the library's GPT-2", "width", (128, 256, 512), library_gpt,
        "2 (small operations: 1)", "1 (weights: 2)"),
    Law("3.03", "longest common subsequence", "words", (50, 100, 200, 400), common_words,
        "2", "not in tensors"),
    Law("3.05", "quantization to 4 bits", "rows", (64, 256, 1024), four_bits, "1", "1"),
    Law("3.06", "the best of eight", "openings", (1000, 4000, 16000), chosen_answers, "1", "1"),
    Law("3.07", "CLIP's loss", "pairs", (500, 1000, 2000), pictures_and_captions, "2", "2"),
    Law("3.08", "majority", "votes", (1000, 4000, 16000), vote, "1", "not in tensors"),
    Law("3.09", "bootstrap", "items", (500, 1000, 2000), intervals, "1", "1"),
    Law("3.10", "quantization to 8 bits", "rows", (512, 1024, 2048), eight_bits, "1", "1"),
]  # fmt: skip


def times(sizes: Sequence[int], make: Callable[[int], Callable], rounds: int) -> list[float]:
    """Seconds at each size, the median of rounds that visit all sizes in turn."""
    works = [make(size) for size in sizes]
    spent: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, list_ in zip(works, spent, strict=True):
            value = measure.seconds(work)
            if number:  # the first round warms up
                list_.append(value)
    return [sorted(list_)[len(list_) // 2] for list_ in spent]


def growth(scale: str) -> Report:
    """Fitted exponents beside the theory."""
    rows = []
    for law in LAWS:
        sizes = law.sizes[:2] if scale == "tiny" else law.sizes
        spent = times(sizes, law.work, ROUNDS[scale])
        held = [measure.peak(law.work, size) for size in sizes]
        in_tensors = law.memory != "not in tensors"
        rows.append((
            law.lesson, law.what, f"{law.of}: {', '.join(map(str, sizes))}",
            law.time, f"{measure.exponent(sizes, spent):.2f}",
            law.memory, f"{measure.exponent(sizes, held):.2f}" if in_tensors else "",
        ))  # fmt: skip
    head = ("lesson", "what", "grows with", "time: theory", "measured", "memory: theory",
            "measured")  # fmt: skip
    note = (
        "Exponents p of time ≈ c · size^p, by least squares on logarithms. At small sizes the "
        "share that does not grow, calls of operations above all, pulls p down; what no longer "
        "fits the processor's caches pushes it up."
    )
    return Report([], [Table("Growth", head, rows, note)])
