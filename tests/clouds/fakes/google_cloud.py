"""Google's Compute Engine, Cloud TPU and Resource Manager on one port, each request and each answer judged by Google's own descriptions."""

from __future__ import annotations

import copy
import ssl
import time
from urllib.parse import parse_qsl

from clouds.fakes import google_tokens
from clouds.fakes.cloud_tpu import CloudTpu
from clouds.fakes.discovery import FormatError, document
from clouds.fakes.gce import Gce
from clouds.fakes.google_errors import Refusal, refused
from clouds.fakes.journal import Call, Journal
from clouds.fakes.wire import Answer, Request, Wire


class GoogleCloud:
    """Call `close` when done. `violations` holds every breach of the descriptions, ours and the fake's; a test asserts that it is empty."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.compute = Gce()
        self.tpu = CloudTpu()
        self.journal = Journal()
        self.violations: list[str] = []
        self.signed_out = False
        self.delay_s = 0.0
        self._documents = (
            (document("compute.v1"), "compute.", self.compute),
            (document("tpu.v2", integer_enums=True), "tpu.projects.locations.", self.tpu),
            (document("cloudresourcemanager.v1"), "cloudresourcemanager.", self),
        )
        self._wire = Wire(self._answer, tls=tls)
        self.url = self._wire.url
        self.port = self._wire.port

    def close(self) -> None:
        self._wire.close()

    def set_clock(self, ahead_s: float) -> None:
        """Google's clock is ahead of this machine's."""
        self._wire.set_clock(ahead_s)

    def token(self, request: Request) -> Answer:
        """oauth2.googleapis.com/token."""
        return google_tokens.exchanged(dict(parse_qsl(bytes(request.body).decode())), self._wire.now())

    def projects_testIamPermissions(self, parts: dict, query: dict, body: dict) -> dict:
        granted = self.compute.granted
        return {"permissions": [p for p in body["permissions"] if granted is None or p in granted]}

    def _answer(self, request: Request) -> Answer:
        death = self.journal.death()
        if death == "before":
            return Answer(drop=True)
        answer = self._alive(request)
        answer.drop = answer.drop or death == "after"
        return answer

    def _alive(self, request: Request) -> Answer:
        if self.delay_s:
            time.sleep(self.delay_s)
        for api, prefix, state in self._documents:
            if (found := api.route(request.method, request.path)) is None:
                continue
            route, parts = found
            try:
                api.check_request(route, parts, request.query, request.body)
            except FormatError as error:
                self.violations.append(str(error))
                return refused(400, "invalid", str(error))
            fault = self.journal.fault_for(route.id)
            answer = self._carry_out(api, route, parts, request, prefix, state, fault)
            self.journal.record(Call(route.id, request.path, answer.status, request.body))
            if fault is not None and fault.lose_answer:
                answer.drop = True
            return answer
        self.violations.append(f"no such method: {request.method} {request.path}")
        return refused(404, "notFound", f"no such method: {request.method} {request.path}")

    def _carry_out(self, api, route, parts, request, prefix, state, fault) -> Answer:
        if self.signed_out:
            return refused(
                401,
                "authError",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
            )
        if (untimely := google_tokens.refusal(request, self._wire.now())) is not None:
            return untimely
        if fault is not None and not fault.lose_answer:
            return refused(fault.status, fault.code, fault.message)
        name = route.id.removeprefix(prefix).replace(".", "_")
        handler = getattr(state, name, None)
        if handler is None:
            self.violations.append(f"the fake has no {route.id}")
            return refused(501, "notImplemented", f"the fake has no {route.id}")
        if self.journal.on_call is not None:
            self.journal.on_call(route.id)
        try:
            with self.compute.lock:
                body = copy.deepcopy(handler(parts, request.query, copy.deepcopy(request.body)))
            api.check_answer(route, body)
        except Refusal as refusal:
            return refusal.answer()
        except FormatError as error:
            self.violations.append(f"the fake's own answer: {error}")
            return refused(500, "internalError", str(error))
        return Answer(200, body)
