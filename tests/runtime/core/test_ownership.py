from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradewind.runtime.core.ownership import ReferenceTable

BORROWERS = ("b/1", "b/2")


class OwnershipMachine(RuleBasedStateMachine):
    """Local refs and borrowers come and go; an object is freed exactly when the last of them has."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ReferenceTable()
        self.local: dict[object, int] = {}
        self.lent: dict[object, list[str]] = {}
        self.freed: list[object] = []

    @rule()
    def create(self) -> None:
        key = self.table.create()
        self.local[key] = 1
        self.lent[key] = []

    @rule(number=st.integers(1, 3))
    def receive(self, number: int) -> None:
        key = ("owner/1", number)
        first = self.table.hold(key)
        assert first == (key not in self.local)
        self.local[key] = self.local.get(key, 0) + 1
        self.lent.setdefault(key, [])

    @precondition(lambda self: any(self.local.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key, count in self.local.items() if count]))
        self.table.release(key)  # type: ignore[arg-type]
        self.local[key] -= 1
        self.settle(key)

    @precondition(lambda self: any(isinstance(key, int) for key in self.local))
    @rule(borrower=st.sampled_from(BORROWERS), data=st.data())
    def lend(self, borrower: str, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key in self.local if isinstance(key, int)]))
        assert self.table.lend(key, borrower)
        self.lent[key].append(borrower)

    @precondition(lambda self: any(self.lent.values()))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key, lent in self.lent.items() if lent]))
        borrower = self.lent[key].pop()
        self.table.unlend(key, borrower)  # type: ignore[arg-type]
        self.settle(key)

    @rule(borrower=st.sampled_from(BORROWERS))
    def borrower_dies(self, borrower: str) -> None:
        self.table.lose_borrower(borrower)
        for key in list(self.lent):
            if borrower in self.lent[key]:
                self.lent[key] = [other for other in self.lent[key] if other != borrower]
                self.settle(key)

    def settle(self, key: object) -> None:
        if not self.local[key] and not self.lent[key]:
            del self.local[key]
            del self.lent[key]
            self.freed.append(key)

    @invariant()
    def freed_exactly_when_nobody_holds_it(self) -> None:
        self.table.validate()
        assert set(self.table.entries) == set(self.local)
        assert sorted(map(str, (key for key, _ in self.table.freed))) == sorted(map(str, self.freed))


TestOwnership = OwnershipMachine.TestCase


def test_a_ref_that_comes_for_a_freed_object_is_told_so() -> None:
    table = ReferenceTable()
    key = table.create()
    table.release(key)
    assert not table.lend(key, "b/1")
