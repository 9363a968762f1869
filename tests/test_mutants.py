"""Proof that the suite can fail: lesson 06 is broken on purpose, and what nbval notices is counted.

Slow (a quarter of an hour on two cores), so by request: `python course.py test -m slow -k mutants`.
A mutant is an edit of the lesson's code, which a careless author or student might make, or of a
stored output. At least 80 % must be noticed, and each one that is not stands in SURVIVORS with the
reason. That every edit still fits the lesson is checked by the fast test below.
"""

import concurrent.futures
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "day1_foundations_vae" / "06_variational_autoencoders.ipynb"

# name: (text that stands once in the lesson's code, its replacement)
CODE = {
    "KL with the wrong sign": ("x, z) - kl(mu, log_var)", "x, z) + kl(mu, log_var)"),
    "no KL": ("model.log_likelihood(x, z) - kl(mu, log_var)", "model.log_likelihood(x, z)"),
    "mean over pixels": (
        ".sum(dim=1)  # (B,): a sum over pixels, never a mean",
        ".mean(dim=1)  # (B,)",
    ),
    "bins twice as wide": (
        "x, half = to_unit(x).unsqueeze(2), 1 / (n_levels - 1)",
        "x, half = to_unit(x).unsqueeze(2), 2 / (n_levels - 1)",
    ),
    "bins without tails": ("torch.where(x > -1, inside", "torch.where(x > -2, inside"),
    "bin without width": ("torch.expm1(-width)", "torch.expm1(width)"),
    "test on training pictures": ("vae_bound = bound(vae, test)", "vae_bound = bound(vae, train)"),
    "train on test pictures": (
        "for part in (data.train_x, data.validation_x",
        "for part in (data.test_x, data.validation_x",
    ),
    "no early stopping": ('keep_best=True, label="first VAE"', 'label="first VAE"'),
    "warps far too strong": ("def warp_half(x, strength=0.15)", "def warp_half(x, strength=1.5)"),
    "a tenth of the steps": ("steps=2_000, short=500", "steps=200, short=500"),
    "two latents": ("latents=16, hidden=256", "latents=2, hidden=256"),
    "conditional weights upside down": (
        "log_ratio = (prior.log_prob(z) - q.log_prob(z))",
        "log_ratio = (q.log_prob(z) - prior.log_prob(z))",
    ),
    "one logistic": ("self, components=2, dropout=0.1", "self, components=1, dropout=0.1"),
    "no dropout": ("self, components=2, dropout=0.1", "self, components=2, dropout=0.0"),
    "a yardstick far too long": ("yardstick = distance_to_test(train)", "yardstick = 100.0"),
    "toy posterior too wide": ("noise / math.sqrt(1 + noise**2))  # exact", "noise)  # exact"),
    "weights upside down": (
        "x, z) + (prior.log_prob(z) - q.log_prob(z)",
        "x, z) + (q.log_prob(z) - prior.log_prob(z)",
    ),
    "importance samples without noise": (
        "z = q.sample()\n        rows.append",
        "z = q.mean\n        rows.append",
    ),
    "nats of the wrong latents": ("log_var[:, [d]]).mean()", "log_var[:, [0]]).mean()"),
    "a traversal that moves nothing": ("moved[row, :, latent] =", "code.clone()[latent] ="),
    "codes blended as pictures": (
        "of_codes = paint(vae, (codes[left] + codes[right]) / 2, sample=False)",
        "of_codes = (test[left] + test[right]) / 2",
    ),
    "bumps that are not": ("(p > fenced[..., :-2]) & (p", "(p < fenced[..., :-2]) & (p"),
    "nested blocks that are not": ("log_r.split(size)", "log_r[:size].split(1)"),
    "rate and distortion swapped": (
        "return kl(mu, log_var), -model.log_likelihood(x, reparameterize(mu, log_var))",
        "return -model.log_likelihood(x, reparameterize(mu, log_var)), kl(mu, log_var)",
    ),
    "a decoder that sees its own pixel": ("self.peek.tril(-1)", "self.peek.tril(0)"),
    "no free bits": ("floor=0.5)", "floor=0.0)"),
    "no warm-up": ("warm_up=settings.short // 2)", "warm_up=0)"),
    "classes ignored when drawing": (
        "self.decoder(torch.cat([z, F.one_hot(y, 10)], dim=1))",
        "self.decoder(torch.cat([z, 0 * F.one_hot(y, 10)], dim=1))",
    ),
    "judge trained on the test": (
        "judge = SVC(C=10).fit(as_rows(train[:5000]), data.train_y[:5000])",
        "judge = SVC(C=10).fit(as_rows(test), data.test_y)",
    ),
    "library with the variance": ("torch.exp(inputs[1] / 2)", "torch.exp(inputs[1])"),
}  # fmt: skip

# name: (text that stands once in the stored outputs, its replacement); each in a cell of its own
OUTPUTS = {
    "profile": ("quick profile on cpu", "full profile on cpu"),
    "sizes of the parts": ("350 validation", "355 validation"),
    "caption": ("and much salt and pepper", "and no salt and pepper"),
    "steps of a training": ("autoencoder: 500 steps", "autoencoder: 600 steps"),
    "words of a claim": ("readable, test digits", "readable, test letters"),
    "result of a check": ("what the bound leaves out is KL", "what the bound leaves out is q"),
    "state of an exercise": ("\u25cb vae.kl: not", "\u2713 vae.kl: not"),
    "deterministic number": ("= 181.3 nats", "= 181.4 nats"),
    "band": ("(at least 4)", "(at least 3)"),
    "unit": ("nats per image (at most 89.5)", "bits per image (at most 89.5)"),
    "pixels that are seen": ("sees pixels 0 to 19", "sees pixels 0 to 20"),
    "parity": ("KL and its gradients: equal", "KL and its gradients: unequal"),
    "measured number": ("yardstick, VAE: ", "yardstick, VAE: 9"),
    "picture": ("iVBORw0KGgo", "iVBORw0KGgp"),
}

# Mutants that nothing notices, and why that is accepted.
SURVIVORS = {
    "one logistic": "on digits one bump does nearly as well as two: what counts is that the "
    "likelihood knows the order of gray levels, and no claim says more",
    "no dropout": "warps and averaging alone keep the bound inside its band; the lesson claims the "
    "three cures together",
    "picture": "bytes of pictures differ between machines, so nbval skips them; cells assert on "
    "what they draw, captions are compared",
    "measured number": "the sanitizer lets the measured number of a claim differ; the running cell "
    "judges it against its band",
}


def lesson() -> dict:
    return json.loads(LESSON.read_text(encoding="utf-8"))


def sources(notebook: dict) -> list[list[str]]:
    """The one place of each code cell's source, as a list that can be changed."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def break_code(notebook: dict, old: str, new: str) -> None:
    hits = [c for c in sources(notebook) if old in "".join(c["source"])]
    assert sum("".join(c["source"]).count(old) for c in hits) == 1, f"{old!r} must stand once"
    hits[0]["source"] = "".join(hits[0]["source"]).replace(old, new)


def break_output(notebook: dict, old: str, new: str) -> int:
    """Change the first stored output that holds the text; return the index of its code cell."""
    for number, cell in enumerate(sources(notebook)):
        text = json.dumps(cell["outputs"], ensure_ascii=False)
        if old in text:
            cell["outputs"] = json.loads(text.replace(old, new, 1))
            return number
    raise AssertionError(f"{old!r} stands in no output")


def failed_cells(notebook: dict, folder: Path, *options: str) -> set[int]:
    """Run nbval on the notebook as the suite does; return the code cells that fail."""
    folder.mkdir()
    path, report = folder / LESSON.name, folder / "report.xml"
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}",
         "-c", ROOT / "pyproject.toml", f"--junitxml={report}", *options, path],
        cwd=ROOT, capture_output=True,
    )  # fmt: skip
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert cases, "nbval ran no cell"
    bad = {
        c.get("name") for c in cases if c.find("failure") is not None or c.find("error") is not None
    }
    return {int(name.rsplit(" ", 1)[-1]) for name in bad}


def test_edits_fit():
    """Each edit applies to exactly one place of the lesson as it is, and survivors are known."""
    for old, new in CODE.values():
        break_code(lesson(), old, new)
    cells = [break_output(lesson(), old, new) for old, new in OUTPUTS.values()]
    assert len(set(cells)) == len(cells), "two output mutants share a cell"
    assert set(SURVIVORS) <= set(CODE) | set(OUTPUTS)


@pytest.mark.slow
def test_mutants_are_noticed(tmp_path):
    assert not failed_cells(lesson(), tmp_path / "base"), "the lesson must be green to begin with"

    changed = lesson()
    cells = {name: break_output(changed, *edit) for name, edit in OUTPUTS.items()}
    failed = failed_cells(changed, tmp_path / "outputs")
    noticed = {name for name, cell in cells.items() if cell in failed}

    def is_noticed(numbered: tuple[int, str]) -> bool:
        number, name = numbered
        broken = lesson()
        break_code(broken, *CODE[name])
        return bool(failed_cells(broken, tmp_path / f"code {number}", "-x"))

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(is_noticed, enumerate(CODE))
        noticed |= {name for name, caught in zip(CODE, results, strict=True) if caught}

    survivors = (set(CODE) | set(OUTPUTS)) - noticed
    total = len(CODE) + len(OUTPUTS)
    print(f"\n{len(noticed)} of {total} mutants noticed; survivors: {sorted(survivors)}")
    assert len(noticed) >= 0.8 * total
    assert survivors <= set(SURVIVORS), "a survivor needs its reason, or the lesson an assertion"
