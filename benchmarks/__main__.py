"""The lessons' own code beside the libraries: `python -m benchmarks [NAME ...] [--full] [--gpu]`.

Ratios are taken within one run, of medians over rounds in which both take turns, in processor time
of one thread; memory is the most that tensors hold at once. The code is taken out of the notebooks.
With all benchmarks the results go to benchmarks/RESULTS.md, otherwise they are only printed.
"""

import argparse
import importlib
import os
import platform
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Bar, Report

HERE = Path(__file__).resolve().parent
BENCHMARKS = {  # name -> the function, and what it compares
    "training": ("language:training", "GPT and its Llama form against transformers, training"),
    "telling": ("language:telling", "the same, generation with a cache"),
    "profile": ("language:profile", "which operations take the time"),
    "lora": ("adapters:lora", "LoRA against peft"),
    "denoiser": ("pictures:denoiser", "the denoiser against diffusers' UNet2DModel"),
    "bpe": ("tokens:bpe", "byte-pair encoding against tokenizers"),
    "growth": ("growth:growth", "time and memory of each lesson's code against size"),
    "quality": ("pictures:quality", "VAE, GAN and diffusion on digits against seconds"),
}
PACKAGES = ("torch", "transformers", "diffusers", "peft", "tokenizers", "numpy")


def run(name: str, scale: str) -> Report:
    """One benchmark at a scale: tiny (for the tests), default or full."""
    module, function = BENCHMARKS[name][0].split(":")
    return getattr(importlib.import_module(f"benchmarks.{module}"), function)(scale)


# ---------------------------------------------------------------- what is written


def processor() -> str:
    """The model of the processor, as far as the system tells."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def setting() -> str:
    """The machine and the versions, without anything that says whose machine it is."""
    import torch

    on = torch.cuda.get_device_name() if torch.cuda.is_available() else processor()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{on}, {os.cpu_count()} cores, {torch.get_num_threads()} thread used; "
        f"{platform.system()}, Python {platform.python_version()}, {packages}."
    )


def table(head, rows) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def line(bar: Bar) -> tuple[str, ...]:
    verdict = "met" if bar.met else "**missed**"
    values = (f"{number(bar.ours)} {bar.unit}", f"{number(bar.theirs)} {bar.unit}")
    return bar.name, *values, f"{bar.ratio:.2f}", bar.target, verdict


def written(reports: dict[str, Report], scale: str) -> str:
    """The text of RESULTS.md."""
    bars = [bar for report in reports.values() for bar in report.bars]
    missing = [name for name in BENCHMARKS if name not in reports]
    left_out = [f"Not measured in this run: {', '.join(missing)}."] if missing else []
    command = "python course.py bench" + (" --full" if scale == "full" else "")
    text = [
        "# Benchmarks",
        f"Written by `{command}` on {date.today().isoformat()}; not to be edited by hand.",
        setting(),
        *left_out,
        "The lessons' own code, taken out of the notebooks, beside the libraries on the same "
        "weights, batches and thread. Speed is in processor time; a ratio is a median over rounds "
        "in which both take turns: ours over the library's in speed (more is better), and in "
        "memory and nats ours over the library's (less is better). Memory is the most that "
        "tensors held at once during the work, over what they held before it, an exact count; "
        "what Python and the operations keep for themselves is not in it.",
    ]
    if bars:
        head = ("what", "ours", "library", "ratio", "target", "")
        text += [f"## Ratios: {sum(b.met for b in bars)} of {len(bars)} targets met"]
        text += ["\n".join(table(head, map(line, bars)))]
        missed = [
            f"- {bar.name}: {bar.reason or 'no reason known'}." for bar in bars if not bar.met
        ]
        if missed:
            text += ["### Missed, and why", "\n".join(missed)]
    for report in reports.values():
        for found in report.tables:
            text += [f"## {found.title}", "\n".join(table(found.head, found.rows))]
            text += [found.note] if found.note else []
    return "\n\n".join(text) + "\n"


# ---------------------------------------------------------------- the command


def main(arguments: list[str]) -> int:
    names = "\n".join(f"  {name:9} {what}" for name, (_, what) in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__.partition("\n\n")[0], epilog=f"names:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="a benchmark; none means all")
    parser.add_argument("--full", action="store_true", help="longer trainings and more rounds")
    parser.add_argument("--tiny", action="store_true", help="one round of the smallest sizes")
    parser.add_argument("--gpu", action="store_true", help="the full profile, on a GPU")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        known = ", ".join(BENCHMARKS)
        print(f"There is no benchmark {unknown[0]}: choose from {known}.", file=sys.stderr)
        return 2
    os.environ["GENAI_PROFILE"] = "full" if asked.gpu else "quick"
    if not asked.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch is imported
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's talk
    import torch

    if asked.gpu and not torch.cuda.is_available():
        print("These benchmarks need a CUDA device, and torch finds none here.", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    scale = "tiny" if asked.tiny else "full" if asked.full or asked.gpu else "default"
    whole = not (asked.names or asked.tiny)
    place = HERE / ("RESULTS-gpu.md" if asked.gpu else "RESULTS.md") if whole else None
    reports: dict[str, Report] = {}
    for name in asked.names or BENCHMARKS:
        began, cpu = time.perf_counter(), measure.now()
        reports[name] = run(name, scale)
        took, cpu = time.perf_counter() - began, measure.now() - cpu
        print(f"{name}: {took:.0f} s, of which {cpu:.0f} s of this process", flush=True)
        for bar in reports[name].bars:
            print("  " + ", ".join(line(bar)), flush=True)
        if place:  # at once: what was measured stays if the command is stopped
            place.write_text(written(reports, scale), encoding="utf-8")
    if place:
        print(f"written to benchmarks/{place.name}")
    else:
        print(f"\n{written(reports, scale)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
