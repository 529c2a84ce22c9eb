"""Accelerators: the canonical name for what a person types, and the datasheet figures of each."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

import msgspec

from tradewind.catalog.errors import CatalogError, UnknownNameError
from tradewind.catalog.snapshot import DATA_DIRECTORY, read_rows


class AcceleratorFacts(msgspec.Struct, frozen=True):
    """Datasheet figures per device (TPU: per chip), dense; None where the source is silent."""

    name: str
    vendor: str
    generation: str
    year: int
    memory_gib: float
    memory_bandwidth_gb_s: float | None
    tflops_bf16: float | None
    tflops_fp32: float | None
    tops_int8: float | None
    tflops_fp8: float | None
    interconnect_gb_s: float | None
    source: str


# What people type, folded (lower case, letters and digits only), where the rules below do not find it.
_ALIASES = {
    "gaudi1": "Gaudi",
    "gh200480gb": "GH200",  # 480 GB is the memory of its processor
    "h100mega": "H100-MEGA",
    "hl205": "Gaudi",
    "inf1": "Inferentia",
    "inf2": "Inferentia2",
    "inferentia1": "Inferentia",
    "radeonprov520": "Radeon-V520",
    "radeonprov710": "V710",
    "rtx4070tisuper": "RTX4070S-Ti",
    "rtx6000turing": "RTX6000",
    "rtxa5000": "A5000",
    "rtxa6000": "A6000",
    "rtxpro6000workstation": "RTX-PRO-6000-WS",
    "trainium1": "Trainium",
    "trn1": "Trainium",
    "v520": "Radeon-V520",
}
# Words that vendors, node labels and driver tools put around a name without changing which device is meant.
_NOISE = re.compile(
    r"(?:^|(?<=[-_ ]))(?:hbm\d\w?|nvl72|tensor[-_ ]core|gpus?|generation|blackwell|(?:server[-_ ])?edition|\(tm\)|vws)(?=$|[-_ ])"
)
_VENDORS = re.compile(r"^(?:nvidia|amd|intel|habana|aws|google|geforce|quadro|tesla|instinct)+(?=.)")
_FORM_FACTORS = re.compile(r"(?<=.)(?:sxm\d?|pcie|hgx|dgx)$")
_MEMORY = re.compile(r"[-_ ]+(\d{1,3})\s*(?:gi?b?(?=$|[-_ ])|(?<=\d\d)$)")
_TPU = re.compile(r"^(?:tpu[-_ ]?)?(v\d+[-_ ]?(?:litepod|lite|[a-z])?)(?:[-_ ]?(\d+(?:x\d+){0,2}))?$")
_TPU_SLICE = re.compile(r"[-_ ](?:podslice|slice|device|pod)(?=$|[-_ ])")  # as Kubernetes' node labels end
_TPU_GENERATIONS = {"v5litepod": "v5e", "v5lite": "v5e"}
_MOST_CHIPS = 100_000  # beyond any slice; keeps a typo from becoming a huge number
_TPU_COUNTED_IN_CORES = frozenset({"v2", "v3", "v4", "v5p"})  # a slice's name counts TensorCores, two to a chip


def resolve(name: str, count: float, known: Collection[str]) -> tuple[str, float]:
    """The canonical name and the number of devices (TPU: chips) that `name` and `count` mean.

    "a100" is A100, "A100-80GB-SXM" is A100-80GB, "v5litepod-8" and "tpu-v5e-2x4" are eight chips of tpu-v5e. Raises UnknownNameError with the nearest name
    of `known`, CatalogError where a slice is given a count as well.
    """
    by_folded = {_fold(candidate): candidate for candidate in sorted(known)}
    for spelling in _spellings(name):
        if spelling in by_folded:
            return by_folded[spelling], count
        alias = _ALIASES.get(spelling, "")
        if alias in known:
            return alias, count
    tpu = _tpu(name, count, known)
    return tpu if tpu is not None else _unknown(name, by_folded)


def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _spellings(name: str) -> list[str]:
    """The name folded, then without noise, maker, form factor and the memory that goes without saying; the barest comes last."""
    plain = _NOISE.sub("", name.lower())
    bare = _VENDORS.sub("", _fold(plain))
    found = [_fold(name), bare, _FORM_FACTORS.sub("", bare)]
    if bare.isdecimal():
        found.append(f"rtx{bare}")  # "4090"
    memory = _MEMORY.search(plain)
    if memory:  # cut out before folding: afterwards nobody could tell A10 with 040 GB from A100 with 40
        rest = plain[: memory.start()] + plain[memory.end() :]
        base = _FORM_FACTORS.sub("", _VENDORS.sub("", _fold(rest)))
        found.append(f"{base}{memory[1]}gb")
        if memory[1] in _DEFAULT_MEMORY.get(base, ()):
            found.append(base)
    return list(dict.fromkeys(found))


# GiB as people and drivers write them for the one size a name means here.
_DEFAULT_MEMORY = {
    "a10": ("24",), "a100": ("40",), "a10g": ("24",), "a5000": ("24",), "a6000": ("48",), "b200": ("180", "192"), "b300": ("288",),
    "gaudi": ("32",), "gb200": ("186", "192"), "gh200": ("96",), "h100": ("80",), "h100mega": ("80",), "h200": ("141",), "k80": ("12",),
    "l4": ("24",), "l40s": ("48",), "m60": ("8",), "mi25": ("16",), "mi300x": ("192",), "p100": ("16",), "p4": ("8",), "rtx3060": ("12",),
    "rtx3090": ("24",), "rtx4090": ("24",), "rtx5070": ("12",), "rtx5090": ("32",), "rtx6000": ("24",), "rtx6000ada": ("48",),
    "rtxpro6000": ("96",), "t4": ("16",), "t4g": ("16",), "v100": ("16",), "v710": ("24", "28"),
}  # fmt: skip


def _tpu(name: str, count: float, known: Collection[str]) -> tuple[str, float] | None:
    typed = _TPU_SLICE.sub("", name.lower().strip()).replace("trillium", "v6e")
    match = _TPU.match(typed)
    if match is None:
        return None
    generation = re.sub(r"[-_ ]", "", match[1])
    generation = _TPU_GENERATIONS.get(generation, generation)
    canonical = f"tpu-{generation}"
    if canonical not in known:
        return None
    if match[2] is None:
        return canonical, count
    if count != 1:
        raise CatalogError(f"'{name}' names a whole TPU slice; ask for one, or for {canonical} with a number of chips")
    sides = [int(side) for side in match[2].split("x")]
    size = math.prod(sides)
    if not 0 < size < _MOST_CHIPS:
        return None
    # A topology ("2x4") always counts chips; a single number counts what the generation's names count.
    return canonical, size / 2 if len(sides) == 1 and generation in _TPU_COUNTED_IN_CORES else float(size)


def names_a_slice(name: str, known: Collection[str]) -> bool:
    """Whether the name means a whole TPU slice, which has a count in its name: "v5litepod-8", not "tpu-v5e"."""
    if _fold(name) in map(_fold, known):
        return False
    try:
        tpu, other = _tpu(name, 1, known), _tpu(name, 2, known)
    except CatalogError:
        return True
    return tpu is not None and other is None


def slice_name(accelerator: str, chips: float) -> str:
    """The name people give a TPU slice of so many chips: ("tpu-v4", 4) is tpu-v4-8, for v2 to v5p count cores. "" for anything else."""
    generation = accelerator.removeprefix("tpu-")
    if generation == accelerator or chips != int(chips):
        return ""
    return f"{accelerator}-{int(chips) * (2 if generation in _TPU_COUNTED_IN_CORES else 1)}"


def _unknown(name: str, by_folded: dict[str, str]) -> tuple[str, float]:
    from difflib import get_close_matches  # only a miss needs it

    without_memory = _VENDORS.sub("", _fold(_MEMORY.sub("", name.lower())))
    sold = set(by_folded.values())
    spelled = {alias: canonical for alias, canonical in _ALIASES.items() if canonical in sold} | by_folded
    near = get_close_matches(without_memory, list(spelled), n=1, cutoff=0.55)
    raise UnknownNameError("accelerator", name, spelled[near[0]] if near else "")


def accelerator_facts(directory: str = DATA_DIRECTORY) -> dict[str, AcceleratorFacts]:
    """Datasheet figures by canonical name."""
    return {row[0]: _facts(row) for row in read_rows("accelerators.csv", directory)}


def _facts(row: list[str]) -> AcceleratorFacts:
    name, vendor, generation, year, memory, *figures, source = row
    bandwidth, bf16, fp32, int8, fp8, interconnect = (float(figure) if figure else None for figure in figures)
    return AcceleratorFacts(
        name, vendor, generation, int(year), float(memory), bandwidth, bf16, fp32, int8, fp8, interconnect, source
    )
