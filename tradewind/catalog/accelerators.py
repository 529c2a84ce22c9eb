"""Accelerators: the canonical name for what a person types, and the datasheet figures of each."""

from __future__ import annotations

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
    "h100mega": "H100-MEGA",
    "inf1": "Inferentia",
    "inf2": "Inferentia2",
    "instinctmi300x": "MI300X",
    "radeonprov520": "Radeon-V520",
    "rtxa5000": "A5000",
    "rtxa6000": "A6000",
    "rtx6000turing": "RTX6000",
    "trn1": "Trainium",
    "v520": "Radeon-V520",
}
_VENDORS = re.compile(r"^(?:nvidia|amd|intel|habana|aws|google|geforce|quadro|tesla|instinct)+(?=.)")
_FORM_FACTORS = re.compile(r"(?<=.)(?:sxm\d?|pcie|hgx|dgx)$")
_MEMORY = re.compile(r"[-_ ]+(\d{2,3})\s*gi?b?(?=$|[-_ ])")
_TPU = re.compile(r"^(?:tpu)?(v\d+(?:litepod|lite|[a-z])?)(?:-?(\d+))?$")
_TPU_GENERATIONS = {"v5litepod": "v5e", "v5lite": "v5e"}
_TPU_COUNTED_IN_CORES = frozenset({"v2", "v3", "v4", "v5p"})  # a slice's name counts TensorCores, two to a chip


def resolve(name: str, count: float, known: Collection[str]) -> tuple[str, float]:
    """The canonical name and the number of devices (TPU: chips) that `name` and `count` mean.

    "a100" is A100, "A100-80GB-SXM" is A100-80GB, "v5litepod-8" is eight chips of tpu-v5e. Raises UnknownNameError with the nearest name
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
    """The name folded, then without maker, form factor and the memory that goes without saying; the barest comes last."""
    bare = _VENDORS.sub("", _fold(name))
    found = [_fold(name), bare, _FORM_FACTORS.sub("", bare)]
    memory = _MEMORY.search(name.lower())
    if memory:  # cut out before folding: afterwards nobody could tell A10 with 040 GB from A100 with 40
        rest = name[: memory.start()] + name[memory.end() :]
        base = _FORM_FACTORS.sub("", _VENDORS.sub("", _fold(rest)))
        found.append(f"{base}{memory[1]}gb")
        if memory[1] == _DEFAULT_MEMORY.get(base):
            found.append(base)
    return list(dict.fromkeys(found))


_DEFAULT_MEMORY = {
    "a10": "24", "a100": "40", "a10g": "24", "a5000": "24", "a6000": "48", "b200": "180", "h100": "80", "h200": "141", "k80": "12",
    "l4": "24", "l40s": "48", "mi300x": "192", "p100": "16", "t4": "16", "v100": "16",
}  # fmt: skip


def _tpu(name: str, count: float, known: Collection[str]) -> tuple[str, float] | None:
    match = _TPU.match(re.sub(r"^tpu[-_ ]?", "tpu", name.lower().strip()))
    if match is None:
        return None
    generation = _TPU_GENERATIONS.get(match[1], match[1])
    canonical = f"tpu-{generation}"
    if canonical not in known:
        return None
    if match[2] is None:
        return canonical, count
    if count != 1:
        raise CatalogError(f"'{name}' names a whole TPU slice; ask for one, or for {canonical} with a number of chips")
    size = int(match[2])
    return canonical, size / 2 if generation in _TPU_COUNTED_IN_CORES else float(size)


def _unknown(name: str, by_folded: dict[str, str]) -> tuple[str, float]:
    from difflib import get_close_matches  # only a miss needs it

    without_memory = _VENDORS.sub("", _fold(_MEMORY.sub("", name.lower())))
    near = get_close_matches(without_memory, list(by_folded), n=1, cutoff=0.5)
    raise UnknownNameError("accelerator", name, by_folded[near[0]] if near else "")


def accelerator_facts(directory: str = DATA_DIRECTORY) -> dict[str, AcceleratorFacts]:
    """Datasheet figures by canonical name."""
    return {row[0]: _facts(row) for row in read_rows("accelerators.csv", directory)}


def _facts(row: list[str]) -> AcceleratorFacts:
    name, vendor, generation, year, memory, *figures, source = row
    bandwidth, bf16, fp32, int8, fp8, interconnect = (float(figure) if figure else None for figure in figures)
    return AcceleratorFacts(
        name, vendor, generation, int(year), float(memory), bandwidth, bf16, fp32, int8, fp8, interconnect, source
    )
