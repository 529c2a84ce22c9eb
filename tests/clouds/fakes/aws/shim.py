"""The WSGI shim: sees every call before moto does, keeps the journal, applies the rules, and bends the answers where AWS is slow to agree."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

from clouds.fakes.aws import rules
from clouds.fakes.aws.query import error_xml, fingerprint, parse_form, sts_error_xml, without_instances
from clouds.fakes.aws.rules import Account, Refusal

Answer = tuple[int, list[tuple[str, str]], bytes]
SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
TERMINATED_XML = b'<TerminateInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><instancesSet/></TerminateInstancesResponse>'


class Shim:
    """A WSGI application around moto's."""

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self.inner = inner
        self.account = Account()
        self.on_launch: Callable[[str, str, dict[str, str]], None] | None = None  # region, instance id, request
        self.journal: list[tuple[str, str, str]] = []  # service, region, action

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        if len(body) < length:  # whoever asked died in the middle of the sentence
            return self._hang_up(start_response)
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        region, service = scope.groups() if scope else ("", "")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        form = {} if target else parse_form(body)
        action = target.rpartition(".")[2] or form.get("Action", "")
        self.journal.append((service, region, action))
        if self.account.faults.delay_s:
            time.sleep(self.account.faults.delay_s)
        dying = self._dies_now()
        if dying and not self.account.crash_took_effect:
            return self._hang_up(start_response)
        try:
            rules.check_account(self.account, service, region, action)
            rules.check_throttle(self.account, action)
            answer = self._answer(environ, body, service, region, action, form)
        except Refusal as refusal:
            answer = self._refuse(service, refusal)
        if dying:
            return self._hang_up(start_response)
        status, headers, content = answer
        headers = [(k, v) for k, v in headers if k.lower() != "content-length"]
        start_response(f"{status} {REASONS.get(status, '')}", [*headers, ("Content-Length", str(len(content)))])
        return [content]

    def _dies_now(self) -> bool:
        """Whether this call is the one at which the daemon dies; nothing that comes after it takes effect."""
        with self.account.lock:
            if self.account.crashed:
                self.account.crash_took_effect = False
                return True
            if self.account.crash_in is None:
                return False
            self.account.crash_in -= 1
            self.account.crashed = self.account.crash_in < 0
            return self.account.crashed

    def _hang_up(self, start_response: Callable[..., Any]) -> list[bytes]:
        """An answer that ends the call without a retry: the caller is dead and hears nothing."""
        content = error_xml("DaemonDied", "the daemon died here")
        start_response("400 Bad Request", [("Content-Type", "text/xml"), ("Content-Length", str(len(content)))])
        return [content]

    def _refuse(self, service: str, refusal: Refusal) -> Answer:
        if service == "ec2":
            return refusal.status, [("Content-Type", "text/xml")], error_xml(refusal.code, refusal.message)
        if service == "sts":
            return refusal.status, [("Content-Type", "text/xml")], sts_error_xml(refusal.code, refusal.message)
        body = json.dumps({"__type": refusal.code, "message": refusal.message}).encode()
        return refusal.status, [("Content-Type", "application/x-amz-json-1.1")], body

    def _answer(
        self, environ: dict[str, Any], body: bytes, service: str, region: str, action: str, form: dict[str, str]
    ) -> Answer:
        asked = lambda: self._moto(environ, body)  # noqa: E731
        as_json = [("Content-Type", "application/x-amz-json-1.1")]
        if (service, action) == ("ssm", "GetParameter"):
            return 200, as_json, rules.image_answer(self.account, region, json.loads(body))
        if (service, action) == ("servicequotas", "GetServiceQuota"):
            return 200, as_json, rules.quota_answer(self.account, json.loads(body))
        if service != "ec2" or form.get("DryRun") == "true":
            return asked()
        if action == "RunInstances":
            return self._run_instances(asked, region, form)
        if action == "DescribeInstances":
            return self._describe_instances(environ, body, region, form)
        if action == "TerminateInstances":
            rules.check_termination(region, form)
            return self._terminate(asked, form)
        if action == "DescribeRegions":
            status, headers, content = asked()
            # Moto lists the regions of all partitions; an account sees those of its own.
            return (
                status,
                headers,
                re.sub(
                    rb"<item>(?:(?!</item>).)*<regionName>(cn|us-gov|us-iso)[^<]*</regionName>.*?</item>",
                    b"",
                    content,
                    flags=re.DOTALL,
                ),
            )
        if action == "StopInstances":
            rules.check_stop(region, form)
        if action == "DeleteSecurityGroup":
            rules.check_group_removal(self.account, region, form)
        return asked()

    def _moto(self, environ: dict[str, Any], body: bytes) -> Answer:
        caught: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            caught["status"], caught["headers"] = int(status.split(maxsplit=1)[0]), headers

        content = self.inner(
            {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}, start_response
        )
        joined = b"".join(content)
        if hasattr(content, "close"):
            content.close()
        return caught["status"], list(caught["headers"]), joined

    def _run_instances(self, asked: Callable[[], Answer], region: str, form: dict[str, str]) -> Answer:
        account, key = self.account, (region, form.get("ClientToken", ""))
        with account.lock:
            one_at_a_time = account.buying.setdefault(key, threading.Lock())
        with one_at_a_time:
            if bought := rules.replay(account, region, form):
                return bought.answer
            with account.lock:
                rules.check_purchase(account, region, form)
                answer = asked()
            found = re.search(rb"<instanceId>(i-[0-9a-f]+)</instanceId>", answer[2])
            if answer[0] != 200 or found is None:
                return answer
            instance_id = found.group(1).decode()
            (made,) = [i for i in rules.all_instances(region) if i.id == instance_id]
            for interface in made.nics.values():
                interface.delete_on_termination = True  # as EC2 has it for those that it makes itself
                made.security_groups = list(interface.group_set)  # as EC2 tells them of an instance until it ends
                # an instance's groups are its interfaces': Moto knows only of those that were asked for beside them, and filters by none
                made.security_groups, interface._group_set = [*made.security_groups, *interface._group_set], []
            made.cpu_options = {"CoreCount": int(rules.vcpus_of(made.instance_type) // 2), "ThreadsPerCore": 2}
            account.launches.append(form)
            if self.on_launch is not None:
                self.on_launch(region, instance_id, form)
            account.tokens[key] = rules.Bought(fingerprint(form), answer, instance_id)
            account.hidden[instance_id] = account.faults.hidden_reads
            if account.late_failures:
                self.end(region, instance_id, account.late_failures.pop(0), "the launch failed after it was accepted")
            if account.faults.lost_replies:
                account.faults.lost_replies -= 1
                raise Refusal(500, "InternalError", "An internal error has occurred")
            return answer

    def _describe_instances(self, environ: dict[str, Any], body: bytes, region: str, form: dict[str, str]) -> Answer:
        account = self.account
        with account.lock:
            hidden = {i for i, left in account.hidden.items() if left > 0}
            for instance_id in hidden:
                account.hidden[instance_id] -= 1
            going = {i for i, left in account.shutting_down.items() if left > 0}
            for instance_id in going:
                account.shutting_down[instance_id] -= 1
        for instance_id in rules.named_instances(form):
            if instance_id in hidden:
                raise Refusal(400, "InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
        with account.lock:  # an instance that is just ending is told of with its reason, or as it was before
            status, headers, content = self._moto(*self._by_token(environ, body, region, form))
        content = without_instances(content, hidden) if hidden else content
        for instance_id in going:
            content = re.sub(
                rf"(<instanceId>{instance_id}</instanceId>.*?<instanceState><code>)48(</code><name>)terminated(</name>)".encode(),
                rb"\g<1>32\g<2>shutting-down\g<3>",
                content,
                count=1,
                flags=re.DOTALL,
            )
        return status, headers, content

    def _by_token(
        self, environ: dict[str, Any], body: bytes, region: str, form: dict[str, str]
    ) -> tuple[dict[str, Any], bytes]:
        """Moto does not know the filter client-token: the instance's id takes its place."""
        if form.get("Filter.1.Name") != "client-token":
            return environ, body
        bought = self.account.tokens.get((region, form["Filter.1.Value.1"]))
        known = bought.instance_id if bought else "i-none"
        return environ, urllib.parse.urlencode(
            {**form, "Filter.1.Name": "instance-id", "Filter.1.Value.1": known}
        ).encode()

    def _terminate(self, asked: Callable[[], Answer], form: dict[str, str]) -> Answer:
        """Moto cannot terminate twice; EC2 answers a second call as it did the first."""
        with self.account.lock:
            names = tuple(rules.named_instances(form))
            if earlier := self.account.terminations.get(names):
                return earlier
            answer = asked()
            if answer[0] == 200:
                self.account.terminations[names] = answer
                rules.forget_groups(names)
                for instance_id in names:
                    self.account.shutting_down.setdefault(instance_id, self.account.shutdown_reads)
        return answer

    def end(self, region: str, instance_id: str, code: str, message: str) -> None:
        """The instance ends, and the cloud says why by `code`."""
        from moto.ec2.models.instances import StateReason

        with self.account.lock:
            (instance,) = [i for i in rules.all_instances(region) if i.id == instance_id]
            instance.terminate()
            instance.security_groups = []
            self.account.terminations[(instance_id,)] = 200, [("Content-Type", "text/xml")], TERMINATED_XML
            instance.state_reason = StateReason(f"{code}: {message}", code)
            instance._reason = code
