"""What every place for checkpoints does, whoever serves it. Run as a program, since fsspec's thread and its file systems live as long as their process.

python -m clouds.buckets URI DIRECTORY
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping

from clouds.lab.namespaces import ROOT
from tradewind.broker.bucket import BucketError
from tradewind.broker.provision.places import ABOUT, Places


def there_and_back(places: Places, uri: str, directory: pathlib.Path) -> None:
    """Files go there, are replaced, listed, read and removed; what is not there is not taken for an empty one."""
    places.probe(uri)
    place = places.get(uri)
    source, target = directory / "source", directory / "target"
    source.write_bytes(os.urandom(9 << 20))  # more than one part
    place.upload(str(source), "rank-0/copies/1/big")
    place.write("rank-0/manifest.json", b"first")
    place.write("rank-0/manifest.json", b"second")
    assert place.download("rank-0/copies/1/big", str(target))
    assert target.read_bytes() == source.read_bytes()
    assert place.read("rank-0/manifest.json") == b"second"
    assert sorted(place.names("rank-0")) == ["rank-0/copies/1/big", "rank-0/manifest.json"]
    assert place.names("rank") == [], "a prefix is a folder"
    place.remove(place.names("rank-0"))
    assert place.names("rank-0") == []
    assert place.read("rank-0/manifest.json") is None
    assert not place.download("rank-0/copies/1/big", str(target))
    assert place.read(ABOUT) is not None
    try:
        place.upload(str(directory / "nowhere"), "x")
    except FileNotFoundError:
        return
    raise AssertionError("a file that is not here was sent")


def walked(uri: str, directory: pathlib.Path, **environment: str) -> str:
    """What a person with this environment is told about the place: "works", or why it does not."""
    kept: Mapping[str, str] = {"PATH": os.environ["PATH"], "NO_GCE_CHECK": "true", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "clouds.buckets", uri, str(directory)],
        env={**kept, "HOME": str(directory), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **environment},
        cwd=directory, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def main(uri: str, directory: str) -> None:
    places = Places(directory)
    try:
        there_and_back(places, uri, pathlib.Path(directory))
        print("works")
    except BucketError as error:
        print(error)
    finally:
        places.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
