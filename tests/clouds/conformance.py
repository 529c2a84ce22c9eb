"""What every provider must do, as tests: a cloud's own test file subclasses `ProviderConformance` and supplies a `World`.

    class TestConformance(ProviderConformance):
        @pytest.fixture
        def world(self):
            with fake_aws() as world:
                yield world

A world is a fake of the vendor's API with the unmodified vendor client in front, and the provider under test built upon it. Whatever a world
cannot do (a cloud without stop, say) it leaves out of `can`, and the tests of it are skipped with that word.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal, Protocol, TypeVar, get_args

import msgspec
import pytest

from tradewind.broker.provider import Batching, Blocked, Instance, LaunchRequest, Provider, ProviderError, Sweeping

T = TypeVar("T")
Ability = Literal[
    "spot", "stop", "quota", "lost_reply", "lag", "throttle", "slow", "reclaim", "price", "leftovers", "ports", "crash"
]
EVERYTHING: frozenset[Ability] = frozenset(get_args(Ability))
DEADLINE_S = 80.0
CRASHES_DEADLINE_S = 280.0  # some hundred calls, also on a machine that is busy with others


class World(Protocol):
    """A fake cloud and its faults. Every fault holds for the calls that follow; none is undone by itself unless it says how often it strikes."""

    can: frozenset[Ability]

    def provider(self) -> Provider:
        """A fresh provider on the same account: what a restarted daemon would make."""

    def request(
        self, instance_id: str = "i-one", *, cluster: str = "c1", rank: int = 0, use_spot: bool = False
    ) -> LaunchRequest:
        """A request that the world can serve, tagged with its cluster and instance id. Equal arguments give equal requests."""

    def held(self) -> list[str]:
        """Everything the fake holds that a launch could have made and that is not gone for good, by the cloud's names."""

    def live(self) -> int:
        """How many instances are neither ended nor being ended."""

    def calls(self) -> list[str]:
        """The journal: the names of the API calls that reached the cloud, in order."""

    def exhaust(self, request: LaunchRequest) -> None:
        """There is no more capacity for this request's type, zone and market."""

    def forbid(self) -> None:
        """The credentials are no longer accepted."""

    def quota(self, instances: int) -> None:
        """At most so many instances like `request()`'s are allowed in its region."""

    def underprice(self) -> None:
        """Spot costs more than any request's limit."""

    def lose_reply(self) -> None:
        """The next call that buys an instance takes effect, and its reply is lost (the connection drops or a 500 comes)."""

    def lag(self, reads: int) -> None:
        """A new instance is not listed by the next `reads` reads."""

    def throttle(self, times: int) -> None:
        """The next `times` reads are refused as too many."""

    def slow(self, seconds: float) -> None:
        """Every call takes this long, until called with 0."""

    def reclaim(self, instance: Instance) -> None:
        """The cloud takes a spot instance back."""

    def crash(self, after: int, *, took_effect: bool) -> None:
        """The daemon dies at its call number `after` (0 is the next): that call does or does not take effect, no later one arrives."""

    def revive(self) -> bool:
        """Calls arrive again, as those of the next daemon; whether the crash had happened."""


def run(coroutine: Awaitable[T], *, deadline_s: float = DEADLINE_S) -> T:
    """Run on a fresh loop, bounded."""

    async def bounded() -> T:
        return await asyncio.wait_for(coroutine, deadline_s)

    return asyncio.run(bounded())


async def until(what: str, read: Callable[[], Awaitable[T]], accept: Callable[[T], bool]) -> T:
    """Read until the answer is accepted; fail with `what` after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        seen = await read()
        if accept(seen):
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: still {seen!r}")
        await asyncio.sleep(0.02)


async def refused(awaitable: Awaitable[Any]) -> ProviderError:
    """The refusal it ends in."""
    try:
        result = await awaitable
    except ProviderError as error:
        return error
    pytest.fail(f"was not refused: {result!r}")


def own(request: LaunchRequest) -> dict[str, str]:
    return dict(request.tags)


class ProviderConformance:
    """Subclass it, and define the fixture `world`."""

    @pytest.fixture(autouse=True)
    def nothing_left(self, world: World) -> Iterator[None]:
        """Whatever a test did, what it ended with terminate is gone: each test terminates what it launched."""
        yield
        assert world.held() == [], f"left behind: {world.held()}"

    def needs(self, world: World, ability: Ability) -> None:
        if ability not in world.can:
            pytest.skip(f"this cloud or its fake has no {ability}")

    # -- a launch ---------------------------------------------------------------------------------------------------------------------

    def test_an_instance_comes_up_with_its_tags_and_ends_without_a_trace(self, world: World) -> None:
        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            made = await provider.launch(request, "token-1")
            assert made.instance_id == request.instance_id
            assert made.state in {"PENDING", "RUNNING"}
            (up,) = await until(
                "up", lambda: provider.describe(own(request)), lambda seen: [i.state for i in seen] == ["RUNNING"]
            )
            assert up.provider_id == made.provider_id
            assert up.address
            assert own(request).items() <= dict(up.tags).items()
            await provider.terminate(up.provider_id)
            assert all(i.state == "TERMINATED" for i in await provider.describe(own(request)))

        run(scenario())

    def test_the_same_token_buys_once(self, world: World) -> None:
        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            first = await provider.launch(request, "token-1")
            again = await world.provider().launch(request, "token-1")
            assert again.provider_id == first.provider_id
            assert world.live() == 1
            await provider.terminate(first.provider_id)

        run(scenario())

    def test_the_same_token_at_the_same_time_buys_once(self, world: World) -> None:
        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            made = await asyncio.gather(*(provider.launch(request, "token-1") for _ in range(3)))
            assert len({i.provider_id for i in made}) == 1
            assert world.live() == 1
            await provider.terminate(made[0].provider_id)

        run(scenario())

    def test_a_lost_reply_is_asked_for_again_and_not_bought_again(self, world: World) -> None:
        self.needs(world, "lost_reply")

        async def scenario() -> None:
            request = world.request()
            world.lose_reply()
            try:
                made = await world.provider().launch(request, "token-1")
            except ProviderError:  # the daemon died or gave up here; the next one has the intent and its token
                made = await world.provider().launch(request, "token-1")
            assert world.live() == 1
            await world.provider().terminate(made.provider_id)

        run(scenario())

    def test_once_launched_it_is_listed(self, world: World) -> None:
        self.needs(world, "lag")

        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            world.lag(3)
            made = await provider.launch(request, "token-1")
            assert [i.provider_id for i in await provider.describe(own(request))] == [made.provider_id]
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_a_gang_at_once(self, world: World) -> None:
        async def scenario() -> None:
            provider = world.provider()
            requests = [world.request(f"i-{rank}", rank=rank) for rank in range(3)]
            made = await asyncio.gather(*(provider.launch(r, f"token-{r.rank}") for r in requests))
            assert len({i.provider_id for i in made}) == 3
            up = await until(
                "three up",
                lambda: provider.describe(cluster_tags(requests)),
                lambda seen: [i.state for i in seen] == ["RUNNING"] * 3,
            )
            assert len({i.address for i in up}) == 3
            await asyncio.gather(*(provider.terminate(i.provider_id) for i in up))

        run(scenario())

    def test_a_second_cluster_is_left_alone(self, world: World) -> None:
        async def scenario() -> None:
            provider = world.provider()
            one, two = world.request("i-a", cluster="c1"), world.request("i-b", cluster="c2")
            first, second = await asyncio.gather(provider.launch(one, "token-a"), provider.launch(two, "token-b"))
            assert [i.instance_id for i in await provider.describe(own(one))] == ["i-a"]
            await provider.terminate(first.provider_id)
            (other,) = await provider.describe(own(two))
            assert other.state in {"PENDING", "RUNNING"}
            await provider.terminate(second.provider_id)

        run(scenario())

    # -- an end -----------------------------------------------------------------------------------------------------------------------

    def test_terminate_again_and_by_another_daemon(self, world: World) -> None:
        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            made = await provider.launch(request, "token-1")
            await asyncio.gather(provider.terminate(made.provider_id), world.provider().terminate(made.provider_id))
            await provider.terminate(made.provider_id)
            assert world.live() == 0

        run(scenario())

    def test_leftovers_are_found_by_tag_and_swept(self, world: World) -> None:
        self.needs(world, "leftovers")

        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            assert isinstance_of_sweeping(provider)
            made = await provider.launch(request, "token-1")
            await provider.terminate(made.provider_id)
            sweeping: Sweeping = provider  # type: ignore[assignment]
            await sweeping.sweep(cluster_tags([request]))
            assert await sweeping.leftovers(cluster_tags([request])) == []

        run(scenario())

    def test_a_reclaim_is_named(self, world: World) -> None:
        self.needs(world, "reclaim")

        async def scenario() -> None:
            provider, request = world.provider(), world.request(use_spot=True)
            made = await provider.launch(request, "token-1")
            world.reclaim(made)
            seen = await until(
                "ended",
                lambda: provider.describe(own(request)),
                lambda seen: all(i.state in {"TERMINATED", "STOPPED"} for i in seen),
            )
            for instance in seen:  # a cloud may also forget it at once
                assert "spot" in instance.reason.lower() or "preempt" in instance.reason.lower(), instance.reason
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_stop_and_start(self, world: World) -> None:
        self.needs(world, "stop")

        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            made = await provider.launch(request, "token-1")
            await until(
                "up", lambda: provider.describe(own(request)), lambda seen: [i.state for i in seen] == ["RUNNING"]
            )
            for _ in range(2):
                await provider.stop(made.provider_id)
            await until(
                "stopped", lambda: provider.describe(own(request)), lambda seen: [i.state for i in seen] == ["STOPPED"]
            )
            for _ in range(2):
                await provider.start(made.provider_id)
            await until(
                "up again", lambda: provider.describe(own(request)), lambda seen: [i.state for i in seen] == ["RUNNING"]
            )
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_ports_open_twice(self, world: World) -> None:
        self.needs(world, "ports")

        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            made = await provider.launch(request, "token-1")
            for _ in range(2):
                await provider.open_ports([made.provider_id], [8080, 8081])
            await provider.terminate(made.provider_id)

        run(scenario())

    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("took_effect", [False, True])
    def test_a_crash_at_every_call_of_a_life_leaves_one_instance_or_none_and_then_nothing(
        self, world: World, took_effect: bool
    ) -> None:
        """A daemon dies at each call of launch, stop, start and terminate in turn; the next one has the intent (request and token), as the record
        does."""
        self.needs(world, "crash")

        async def life(provider: Provider, requests: list[LaunchRequest]) -> None:
            (request,) = requests
            made = await provider.launch(request, f"token-{request.instance_id}")
            if "stop" in world.can:
                await provider.stop(made.provider_id)
                await provider.start(made.provider_id)
            await provider.terminate(made.provider_id)

        run(self.dies_at_every_call(world, life, took_effect=took_effect, size=1), deadline_s=CRASHES_DEADLINE_S)

    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("took_effect", [False, True])
    def test_a_crash_at_every_call_of_a_gang_leaves_what_the_next_daemon_ends(
        self, world: World, took_effect: bool
    ) -> None:
        """Two launches are under way when the daemon dies: calls of both are lost, or their replies, in whatever order they come."""
        self.needs(world, "crash")

        async def life(provider: Provider, requests: list[LaunchRequest]) -> None:
            launches = (provider.launch(one, f"token-{one.instance_id}") for one in requests)
            made = await asyncio.gather(*launches, return_exceptions=True)
            for one in made:
                if isinstance(one, BaseException):
                    raise one
            await self.reconcile(world, requests)

        run(self.dies_at_every_call(world, life, took_effect=took_effect, size=2), deadline_s=CRASHES_DEADLINE_S)

    async def dies_at_every_call(
        self,
        world: World,
        life: Callable[[Provider, list[LaunchRequest]], Awaitable[None]],
        *,
        took_effect: bool,
        size: int,
    ) -> None:
        """Lives of `size` instances in a row, of which each dies one call later than the one before, until one is lived to its end."""
        for number in range(200):
            # each in a cluster of its own: some clouds go on listing what has ended
            gang = [world.request(f"i-{number}-{rank}", cluster=f"c{number}", rank=rank) for rank in range(size)]
            world.crash(number, took_effect=took_effect)
            died = True
            try:
                await life(world.provider(), gang)
                died = False
            except ProviderError:
                pass
            happened = world.revive()
            assert world.live() <= size
            await self.reconcile(world, gang)
            assert world.live() == 0
            assert world.held() == [], f"after a crash at call {number}"
            if not happened:
                assert not died
                return
        pytest.fail("a life takes over 200 calls")

    def test_many_of_several_clusters_end_together(self, world: World) -> None:
        """With one that is gone already, and one that its cloud never knew; what stays keeps what its cluster needs."""

        async def scenario() -> None:
            provider = world.provider()
            if not isinstance(provider, Batching):
                pytest.skip("this cloud ends instances one by one")
            wanted = [("i-1", "c1", 0), ("i-2", "c1", 1), ("i-3", "c2", 0), ("i-4", "c3", 0), ("i-5", "c3", 1)]
            made = [
                await provider.launch(world.request(name, cluster=cluster, rank=rank), name)
                for name, cluster, rank in wanted
            ]
            *ending, stays = [one.provider_id for one in made]
            unknown = "0".join(stays.rsplit(stays[-1], 1))
            await provider.terminate(ending[2])
            assert await provider.terminate_all([*ending, unknown]) == {}
            assert world.live() == 1
            await sweep(provider, world.request(cluster="c3"))
            assert world.live() == 1
            assert world.held() != []
            assert await provider.terminate_all([stays]) == {}

        run(scenario())

    async def reconcile(self, world: World, requests: list[LaunchRequest]) -> None:
        """What the next daemon does with intents whose end it does not know: end what is listed under their tags, sweep what was made for them."""
        provider = world.provider()
        for instance in await provider.describe(cluster_tags(requests)):
            await provider.terminate(instance.provider_id)
        await sweep(provider, requests[0])

    # -- refusals ---------------------------------------------------------------------------------------------------------------------

    def check_refusal(self, provider: Provider, error: ProviderError) -> Blocked:
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.cloud, copy.code, copy.message) == (error.cloud, error.code, error.message)
        assert "\n" not in str(error)
        assert "Traceback" not in str(error)
        blocked = provider.classify(error)
        assert blocked.why
        assert blocked == provider.classify(copy) or abs(blocked.until_unix - provider.classify(copy).until_unix) < 60
        return blocked

    def test_no_capacity(self, world: World) -> None:
        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            world.exhaust(request)
            blocked = self.check_refusal(provider, await refused(provider.launch(request, "token-1")))
            assert blocked.kind == "capacity"
            assert blocked.scope in {"type", "zone", "region"}  # "type": this type in this zone and market
            assert blocked.until_unix > time.time()
            assert world.live() == 0
            await sweep(provider, request)

        run(scenario())

    def test_over_quota(self, world: World) -> None:
        self.needs(world, "quota")

        async def scenario() -> None:
            provider = world.provider()
            world.quota(1)
            first = await provider.launch(world.request("i-1"), "token-1")
            blocked = self.check_refusal(
                provider, await refused(provider.launch(world.request("i-2", rank=1), "token-2"))
            )
            assert (blocked.kind, blocked.scope) == ("quota", "family"), "vCPUs are counted by family"
            assert world.live() == 1
            await provider.terminate(first.provider_id)

        run(scenario())

    def test_over_the_price_limit(self, world: World) -> None:
        self.needs(world, "price")

        async def scenario() -> None:
            provider, request = world.provider(), world.request(use_spot=True)
            world.underprice()
            blocked = self.check_refusal(provider, await refused(provider.launch(request, "token-1")))
            assert blocked.kind == "price"
            await sweep(provider, request)

        run(scenario())

    def test_refused_credentials(self, world: World) -> None:
        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            world.forbid()
            for call in (provider.launch(request, "token-1"), provider.describe(own(request)), provider.check()):
                blocked = self.check_refusal(provider, await refused(call))
                assert blocked.kind == "permission"
                assert blocked.scope == "cloud"

        run(scenario())

    def test_an_unknown_code_is_named_as_such(self, world: World) -> None:
        provider = world.provider()
        blocked = self.check_refusal(
            provider, ProviderError(provider.name, "TotallyNewError", "the cloud said something new")
        )
        assert "TotallyNewError" in blocked.why
        assert blocked.until_unix < float("inf")

    def test_throttled_reads_are_tried_again(self, world: World) -> None:
        self.needs(world, "throttle")

        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            made = await provider.launch(request, "token-1")
            world.throttle(2)
            assert len(await provider.describe(own(request))) == 1
            await provider.terminate(made.provider_id)

        run(scenario())

    def test_a_slow_cloud_does_not_hold_up_the_loop(self, world: World) -> None:
        self.needs(world, "slow")

        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            await provider.describe(own(request))  # the vendor's library is loaded and its clients are made
            world.slow(0.3)
            lags: list[float] = []
            launching = asyncio.create_task(provider.launch(request, "token-1"))
            while not launching.done():
                before = time.monotonic()
                await asyncio.sleep(0.01)
                lags.append(time.monotonic() - before)
            world.slow(0)
            await provider.terminate((await launching).provider_id)
            lags.sort()
            assert lags[int(len(lags) * 0.9)] < 0.2, f"the loop stood still: {lags[-5:]}"

        run(scenario())


def cluster_tags(requests: list[LaunchRequest]) -> dict[str, str]:
    """The tags that all of them share."""
    common = dict(requests[0].tags)
    for request in requests[1:]:
        common = {k: v for k, v in common.items() if request.tags.get(k) == v}
    return {k: v for k, v in common.items() if v != requests[0].instance_id}


def isinstance_of_sweeping(provider: Provider) -> bool:
    return all(callable(getattr(provider, name, None)) for name in ("leftovers", "sweep"))


async def sweep(provider: Provider, request: LaunchRequest) -> None:
    """After a refused launch: what it made before the refusal is found by the cluster's tags."""
    if isinstance_of_sweeping(provider):
        await provider.sweep(cluster_tags([request]))  # type: ignore[attr-defined]


@dataclasses.dataclass
class Faults:
    """The faults that most fakes keep, for use inside one."""

    exhausted: set[tuple[str, str, bool]] = dataclasses.field(default_factory=set)
    forbidden: bool = False
    quota: int | None = None
    underpriced: bool = False
    lost_replies: int = 0
    hidden_reads: int = 0
    throttled: int = 0
    delay_s: float = 0.0


def replaced(request: LaunchRequest, **changes: Any) -> LaunchRequest:
    """The request with other fields."""
    return msgspec.structs.replace(request, **changes)
