"""The SDK's classes are complete before threads make objects of them: what it makes late in two threads at once may stay half made."""

from __future__ import annotations

import json
import subprocess
import sys

from clouds.azure.world import azure_world, request
from clouds.conformance import run

# In a process of its own: classes that another test has used are complete already.
PROGRAM = """
import json
from azure.mgmt.network import models
from tradewind.broker.clouds.azure.models import make_ready
make_ready("azure.mgmt.network", "NetworkInterface")
ready = set(models.NetworkInterface._calculated)
seen = models.NetworkInterface._deserialize(json.loads({answer!r}), [])
inner = seen.properties.ip_configurations[0].properties
print(json.dumps([inner.public_ip_address.id, sorted(set(models.NetworkInterface._calculated) - ready)]))
"""


def test_nothing_is_left_to_complete_when_an_answer_is_read() -> None:
    address = {"id": "/public/one"}
    configuration = {"name": "ip", "properties": {"privateIPAddress": "10.0.0.4", "publicIPAddress": address}}
    answer = {
        "id": "/nic/one",
        "properties": {"virtualMachine": {"id": "/vm/one"}, "ipConfigurations": [configuration]},
        "tags": {"a": "b"},
    }
    program = PROGRAM.format(answer=json.dumps(answer))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["/public/one", []]


def test_the_clients_make_their_models_ready() -> None:
    """After a whole life of a machine no class has been completed outside `make_ready`."""
    from azure.mgmt.compute import models as compute
    from azure.mgmt.network import models as network

    from tradewind.broker.clouds.azure import models

    async def life(provider) -> None:
        made = await provider.launch(request(), "t")
        await provider.describe({"tradewind-cluster": "c1"})
        await provider.terminate(made.provider_id)

    with azure_world() as world:
        run(life(world.provider()))
    ready = {f"{kind.__module__}.{kind.__qualname__}" for kind in models._done}
    for kind in (compute.VirtualMachine, network.NetworkInterface, network.PublicIPAddress):
        assert f"{kind.__module__}.{kind.__qualname__}" in ready
