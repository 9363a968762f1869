"""A GPU that is only pretended, to find tensors that would meet on two devices.

After install(), what is made on "cuda" or moved there lies on the CPU and carries a mark; a view, a
copy or a result of marked tensors is marked, too. An operation on tensors with and without the mark
fails as it does on a GPU, and so does a marked tensor that is handed to NumPy, or a generator of
the other device. What a GPU computes, how fast, and with which memory, this cannot tell.
"""

import threading

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
# May take tensors of both devices: what copies values over, what asks and computes nothing, what
# itself compares devices, and what needs some arguments on the CPU
MIXED = {
    "copy_", "type_as", "data.__set__", "grad.__set__", "is_same_size", "assert_close",
    "_has_compatible_shallow_copy_type", "backward", "grad", "gru", "lstm",
    "pack_padded_sequence", "_pack_padded_sequence", "_pad_packed_sequence",
}  # fmt: skip
PACKING = {"_pack_padded_sequence", "_pad_packed_sequence"}  # the second result is for the CPU
OF_GENERATORS = {"manual_seed", "seed", "initial_seed", "get_state", "set_state", "clone_state"}


class Generator(torch.Generator):
    """A generator that says it belongs to the pretended device if it was asked for there."""

    def __new__(cls, device="cpu"):
        """Make one on the CPU, marked if device is "cuda"."""
        made = super().__new__(cls, device="cpu" if is_cuda(device) else device)
        made.marked = is_cuda(device)
        return made

    def __init__(self, device="cpu"):
        pass

    @property
    def device(self) -> torch.device:
        """The device that was asked for."""
        return CUDA if self.marked else CPU


def is_cuda(device) -> bool:
    """Whether an argument names a CUDA device: "cuda", "cuda:0", torch.device("cuda")."""
    return isinstance(device, str | torch.device) and str(device).startswith("cuda")


def carrier(x: torch.Tensor):
    """What carries the mark of a tensor: its memory, so that views share it."""
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    try:
        return x.untyped_storage()
    except (NotImplementedError, RuntimeError):  # it has no memory
        return x


def marked(x: torch.Tensor) -> bool:
    """Whether a tensor lies on the pretended device."""
    return getattr(carrier(x), "marked", False)


def tensors_in(*values) -> list[torch.Tensor]:
    """All tensors in lists, tuples and dicts of any depth."""
    return [x for x in tree_leaves(values) if isinstance(x, torch.Tensor)]


class PretendedGPU(TorchFunctionMode):
    """While it is entered, every function of torch goes through here first."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Answer for the device, refuse what a GPU would refuse, run the rest, mark results."""
        kwargs, me = dict(kwargs or {}), args[0] if args else None
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            name = f"{func.__self__.__name__}.{name}"
        if isinstance(me, torch.Tensor):
            there = marked(me)
            if name == "device.__get__" and there:
                return CUDA
            if name in ("is_cuda.__get__", "is_cpu.__get__"):
                return there == (name == "is_cuda.__get__")
            if name in ("numpy", "__array__") and there:
                raise TypeError("can't convert a cuda:0 tensor to numpy: use Tensor.cpu() first")
            if name == "pin_memory":
                return me
            if func in (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda):
                return move(func, me, args[1:], kwargs)

        if func is torch.device or name == "_parse_to":  # which reads the arguments of Module.to
            return func(*args, **kwargs)
        wanted = kwargs.get("device", next((x for x in args if is_cuda(x)), None))
        refuse(name, me, args, tensors_in(args, kwargs))
        if wanted is None:
            there = any(map(marked, tensors_in(args, kwargs)))
            there &= name not in ("tensor", "as_tensor") or isinstance(me, torch.Tensor)
        else:
            there = is_cuda(wanted)
        for x in tree_leaves((args, kwargs)):
            other = isinstance(x, torch.Generator) and getattr(x, "marked", False) != there
            if other and name not in OF_GENERATORS:
                raise RuntimeError(f"{name}: the generator belongs to the other device")
        if is_cuda(wanted):
            args = tuple(CPU if is_cuda(x) else x for x in args)
            kwargs |= {"device": "cpu"} if "device" in kwargs else {}
        result = func(*args, **kwargs)
        if there:
            for x in tensors_in(result[0] if name in PACKING else result):
                carrier(x).marked = True
        return result


def move(func, x: torch.Tensor, rest: tuple, kwargs: dict) -> torch.Tensor:
    """Tensor.to, .cpu or .cuda, with the mark set or taken off."""
    device = {torch.Tensor.cpu: CPU, torch.Tensor.cuda: CUDA}.get(func, kwargs.get("device"))
    dtype = kwargs.get("dtype")
    if func is torch.Tensor.to:
        for value in rest:
            if isinstance(value, torch.Tensor):
                device, dtype = CUDA if marked(value) else CPU, value.dtype
            elif isinstance(value, str | torch.device):
                device = value
            elif isinstance(value, torch.dtype):
                dtype = value
    if str(device) == "meta":
        return x.to("meta")
    there = marked(x) if device is None else is_cuda(device)
    result = x.to(dtype or x.dtype, copy=kwargs.get("copy", False) or there != marked(x))
    if there:
        carrier(result).marked = True
    return result


def refuse(name: str, me, args: tuple, tensors: list[torch.Tensor]) -> None:
    """Raise RuntimeError if these tensors may not meet in this function."""
    if name in MIXED or len(tensors) < 2:
        return
    if name in ("__getitem__", "__setitem__"):  # indices may lie on the CPU; so may a copied value
        index = [x for x in tensors_in(args[1]) if x.dim()]
        if not marked(me) and any(map(marked, index)):
            raise RuntimeError("a tensor on the CPU cannot be indexed by one on the GPU")
        if name == "__setitem__" and index and isinstance(args[2], torch.Tensor):
            refuse("index_put_", me, args, [me, args[2]])
        return
    if any(map(marked, tensors)) and any(x.dim() and not marked(x) for x in tensors):
        raise RuntimeError(f"Expected all tensors on one device, found cuda:0 and cpu ({name})")


def install() -> PretendedGPU:
    """Pretend from now on, in this thread and new ones; lessons use it in any profile."""
    import torch._dynamo  # first: its table of functions is made of the real ones

    from helpers import session

    torch._dynamo.trace_rules.get_torch_obj_rule_map()
    torch.Generator = Generator
    answers = dict(
        is_available=True, is_initialized=True, device_count=1, current_device=0, init=None,
        _lazy_init=None, set_device=None, synchronize=None, empty_cache=None, memory_allocated=0,
        max_memory_allocated=0, memory_reserved=0, max_memory_reserved=0, get_device_name="none",
        reset_peak_memory_stats=None, get_device_capability=(8, 0), is_bf16_supported=True,
        manual_seed=None, manual_seed_all=None, set_rng_state=None, set_rng_state_all=None,
        get_rng_state_all=[], _exchange_device=0, _maybe_exchange_device=0,
    )  # fmt: skip
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    torch.accelerator.synchronize = lambda *_: None
    torch.cuda.get_rng_state = lambda *_: torch.get_rng_state()
    torch.nn.RNNBase.flatten_parameters = lambda self: None
    torch.optim.Optimizer._accelerator_graph_capture_health_check = lambda self: None
    session.device = lambda: "cuda"
    run = threading.Thread._bootstrap_inner

    def pretending(thread: threading.Thread) -> None:
        with PretendedGPU():
            run(thread)

    threading.Thread._bootstrap_inner = pretending  # a mode holds for one thread only
    mode = PretendedGPU()
    mode.__enter__()
    return mode
