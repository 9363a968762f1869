"""The lessons on a GPU that is only pretended: no tensors of two devices may meet.

A lesson takes two to three times as long as without, so all but one by request:
`python course.py test -m slow -k device`.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tools import run

FAST = "day1_foundations_vae/03_probability_and_latents"
MEET = "found cuda:0 and cpu"
REFUSED = {
    "torch.ones(3) + torch.ones(3, device='cuda')": MEET,
    "torch.nn.Linear(3, 2).to('cuda')(torch.ones(4, 3))": MEET,
    "torch.stack([torch.ones(3), torch.ones(3, device='cuda')])": MEET,
    "torch.ones(3)[torch.zeros(2, dtype=torch.long, device='cuda')]": "cannot be indexed",
    "torch.ones(3, device='cuda').numpy()": "use Tensor.cpu()",
    "np.asarray(torch.ones(3).to('cuda')[1:])": "use Tensor.cpu()",
    "torch.rand(3, device='cuda', generator=torch.Generator())": "the other device",
    "torch.testing.assert_close(torch.ones(3), torch.ones(3).cuda())": "device",
}
ALLOWED = [
    "torch.ones(3, device='cuda') * torch.tensor(2.0)",
    "torch.ones(3, device='cuda')[torch.tensor([0, 2])]",
    "torch.rand(3, device='cuda', generator=torch.Generator('cuda')).cpu().numpy()",
    "torch.func.vmap(torch.nn.Linear(3, 2).to('cuda'))(torch.ones(4, 3).cuda())",
    "torch.nn.Linear(3, 2).to('cuda').load_state_dict(torch.nn.Linear(3, 2).state_dict())",
]
# What a lesson measures is not judged: every operation takes longer here, and by how much differs
NOT_JUDGED = """
from helpers import metrics


def measured(*claim, expect=metrics.expect, **band):
    try:
        expect(*claim, **band)
    except metrics.ClaimNotMet as missed:
        print(missed)


metrics.expect = measured
"""


def python(code: str) -> str:
    """What a fresh Python prints that pretends to have a GPU."""
    code = (
        "import numpy as np\nimport pretended_gpu\nimport torch\npretended_gpu.install()\n" + code
    )
    paths = f"import sys\nsys.path[:0] = {[str(run.ROOT), str(Path(__file__).parent)]!r}\n"
    done = subprocess.run([sys.executable, "-c", paths + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_pretended_gpu_refuses_what_a_gpu_refuses():
    tries = f"""
    for line in {[*REFUSED]!r}:
        try:
            eval(line)
            print("allowed")
        except (RuntimeError, TypeError, AssertionError) as error:
            print(" ".join(str(error).split()))
    """
    said = python(textwrap.dedent(tries)).splitlines()
    for line, wanted, found in zip(REFUSED, REFUSED.values(), said, strict=True):
        assert wanted in found, (line, found)


def test_pretended_gpu_allows_what_a_gpu_allows():
    assert python("\n".join([*ALLOWED, "print('all')"])) == "all\n"


def test_pretended_gpu_follows_a_model_through_training():
    code = """
    model = torch.nn.GRU(3, 4).to("cuda")
    adam = torch.optim.AdamW(model.parameters())
    model(torch.ones(5, 2, 3, device="cuda"))[0].sum().backward()
    adam.step()
    of_adam = [x for state in adam.state.values() for x in state.values() if x.dim()]
    everything = [*model.parameters(), *(p.grad for p in model.parameters()), *of_adam]
    print({str(x.device) for x in everything}, {str(p.device) for p in model.cpu().parameters()})
    """
    assert python(textwrap.dedent(code)) == "{'cuda:0'} {'cpu'}\n"


@pytest.mark.parametrize(
    "lesson",
    [
        pytest.param(path, marks=() if run.name_of(path) == FAST else pytest.mark.slow)
        for path in run.lessons()
    ],
    ids=run.name_of,
)
def test_lesson_keeps_its_tensors_on_one_device(lesson, tmp_path, monkeypatch):
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "pretend.py").write_text(
        f"import sys\nsys.path.append({str(Path(__file__).parent)!r})\n"
        "import pretended_gpu\npretended_gpu.install()\n" + NOT_JUDGED
    )
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("GENAI_PROFILE", "quick")
    notebook, result = run.execute(lesson, None)
    assert result["ok"], result["error"]
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert "quick profile on cuda" in first.outputs[-1].text
