"""The node's drivers: how they are welcomed, how their end is noticed, and what goes with them."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from typing import TYPE_CHECKING

from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.values import Death
from tradewind.runtime.node.workers import Driver
from tradewind.runtime.packages import job_directory

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon


class Drivers:
    """Programs that have joined the cluster at this node."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._daemon = daemon

    def adopt(self, sock: socket.socket, pid: int) -> None:
        """A process that has connected and been checked may say Hello."""
        link = self._daemon.make_link(sock)
        driver = link.peer = Driver("", link, pid)
        try:
            driver.pidfd = os.pidfd_open(pid)
        except OSError:
            return  # it has ended already, or lives in another PID namespace: the end of its link will tell
        # A child that it forked may hold its link open after its end.
        self._daemon.loop.watch(driver.pidfd, lambda _events: self._on_gone(driver))

    def on_hello(self, who: Driver, message: control.Hello) -> None:
        """A driver is welcomed, or told why not."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        if message.protocol != control.PROTOCOL or message.python != python:
            self._daemon.post(
                who.link,
                control.Died(
                    Death(
                        "",
                        os.getpid(),
                        self._daemon.node,
                        f"this cluster speaks protocol {control.PROTOCOL} under Python {python}",
                    )
                ),
            )
            self._daemon.loop.after(0.1, lambda: self._refuse(who))
            return
        who.address = self._daemon.next_address()
        who.job = who.address
        self._daemon.processes[who.address] = who
        who.link.send(
            control.Welcome(
                who.address, self._daemon.node, who.address, self._daemon.settings.arena_bytes, shared_filesystem=True
            ),
            [self._daemon.store.descriptor],
        )

    def _on_gone(self, driver: Driver) -> None:
        if not driver.link.closed:
            self._daemon.loop.forget(driver.link.fd)
            driver.link.close()
        self.drop_pidfd(driver)
        if driver.address in self._daemon.processes:
            self.end(driver)

    def drop_pidfd(self, driver: Driver) -> None:
        """Its process is watched no longer."""
        if driver.pidfd >= 0:
            self._daemon.loop.forget(driver.pidfd)
            os.close(driver.pidfd)
            driver.pidfd = -1

    def _refuse(self, who: Driver) -> None:
        self._daemon.loop.forget(who.link.fd)
        who.link.close()

    def end(self, driver: Driver) -> None:
        """The driver has ended, and its job with it."""
        self._daemon.processes.pop(driver.address, None)
        if self._daemon.settings.end_with_driver:
            self._daemon.stop("its driver has ended")
            return
        self._daemon.forget_process(driver.address)
        self._daemon.deaths.remember(Death(driver.address, driver.pid, self._daemon.node, "the driver has ended"))
        if self._daemon.head is not None:
            self._daemon.ended_drivers.append(driver.address)
            self._daemon.head.send(cluster.ProcessGone(driver.address, driver=True))
        self.end_job(driver.address)

    def end_job(self, job: str) -> None:
        """Every worker here that served the job is being ended, detached actors apart."""
        for worker in list(self._daemon.workers.workers.values()):
            actor = self._daemon.actors.here.get(worker.actor)
            if worker.job == job and not (actor is not None and actor.spec.detached):
                self._daemon.workers.kill(worker, "its driver has ended")
        self._daemon.granting.book.withdraw(job)
        self._daemon.store.book.drop_owner(job)
        unpacked = (
            job_directory(self._daemon.settings.spill_directory, job) if self._daemon.settings.spill_directory else ""
        )
        kept = any(actor.spec.job == job for actor in self._daemon.actors.here.values() if actor.spec.detached)
        if unpacked and not kept and os.path.isdir(unpacked):
            threading.Thread(target=shutil.rmtree, args=(unpacked, True), daemon=True).start()
