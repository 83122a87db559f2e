"""Only the spelled-out paths exist, each with its own methods; nothing is decoded or guessed."""

from __future__ import annotations

import pytest

from tests.harness.raw import RawClient, head, post
from tests.harness.records import untouched
from tests.harness.server import RunningServer
from tests.security.enrollment import (
    CACERTS,
    ENROLL,
    assert_logged,
    assert_refused,
    assert_refused_by_http,
)
from tests.unit.wire import forge

BODY = forge.request(subject=forge.name((forge.CN, "tricked")))
FOREIGN = "LOCK", "PROPFIND", "PURGE", "M-SEARCH", "SUBSCRIBE", "QUERY"
OTHERS = "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", *FOREIGN

TRICKS = [
    "/.well-known/est/demo//simpleenroll",
    "//.well-known/est/demo/simpleenroll",
    "/.well-known//est/demo/simpleenroll",
    "/.well-known/est//demo/simpleenroll",
    "/.well-known/est/demo/simpleenroll//",
    "/.well-known/est/demo%2fsimpleenroll",
    "/.well-known/est/demo%2Fsimpleenroll",
    "/.well-known/est%2fdemo/simpleenroll",
    "/.well-known/est/demo/simpleenrol%6c",
    "/.well-known/est/d%65mo/simpleenroll",
    "/.well-known/est/demo/./simpleenroll",
    "/.well-known/est/demo/../demo/simpleenroll",
    "/.well-known/est/other/../demo/simpleenroll",
    "/.well-known/est/demo/%2e%2e/demo/simpleenroll",
    "/.well-known/est/demo/cacerts/../simpleenroll",
    "/.well-known/est/demo\\simpleenroll",
    "/.well-known/est/demo/simpleenroll%00",
    "/.well-known/est/demo/simpleenroll%0d%0aX:y",
    "/.well-known/est/demo/simpleenroll;a=b",
    "/.well-known/est/demo/simpleenroll.html",
    "/.well-known/est/DEMO/simpleenroll",
    "/.well-known/est/demo/SimpleEnroll",
    "/.well-known/EST/demo/simpleenroll",
    "/.WELL-KNOWN/est/demo/simpleenroll",
    "/.well-known/est/demo/simpleenroll%20",
    "/.well-known/est/demo/serverkeygen",
    "/.well-known/est/demo/fullcmc",
    "/.well-known/est/nobody/simpleenroll",
    "/.well-known/est/demo",
    "/.well-known/est/demo/",
    "/.well-known/est/",
    "/.well-known/est",
    "/.well-known/establish/demo/simpleenroll",
    "/.well-known/est-mtls/simpleenroll",
    "/.well-known/est-mtls/nobody/simpleenroll",
    "http://elsewhere.example//.well-known/est/demo/simpleenroll",
]


@pytest.mark.parametrize("path", TRICKS)
def test_path_trick_leads_nowhere(server: RunningServer, authorization: str, path: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(post(path, BODY, authorization))
        answer = client.answer()
        assert answer.status == 404
        assert "demo" not in answer.text
        if path.startswith("/.well-known/est"):
            assert_refused(answer, 404, "cacerts", "simpleenroll")


@pytest.mark.parametrize(
    "target",
    ["/.well-known/est/demo/simple\x01enroll", "/.well-known/est/demo/\u00e4", "nowhere", ""],
)
def test_target_that_is_none_is_refused(
    server: RunningServer, authorization: str, target: str
) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(post(target, BODY, authorization))
        assert_refused_by_http(client.answer(), 400)
    assert_logged(server, client.source, "malformed", 400)


@pytest.mark.parametrize("method", ["GET", "HEAD", *OTHERS])
def test_enrolling_takes_only_post(server: RunningServer, authorization: str, method: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head(method, ENROLL, authorization, f"Content-Length: {len(BODY)}") + BODY)
        answer = client.answer(to_head=method == "HEAD")
        assert answer.headers["allow"] == "POST"
        if method == "HEAD":
            assert (answer.status, answer.body) == (405, b"")
        else:
            assert_refused(answer, 405, "POST")


@pytest.mark.parametrize("method", ["POST", *OTHERS])
def test_reading_takes_only_get_and_head(
    server: RunningServer, authorization: str, method: str
) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head(method, CACERTS, authorization))
        answer = client.answer()
        assert answer.headers["allow"] == "GET, HEAD"
        assert_refused(answer, 405)


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "GET"])
def test_asterisk_is_no_path(server: RunningServer, authorization: str, method: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head(method, "*", authorization))
        assert client.answer().status == 404


def test_head_of_cacerts_has_no_body(server: RunningServer) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head("HEAD", CACERTS) + head("GET", CACERTS, "Connection: close"))
        told = client.answer(to_head=True)
        given = client.answer()
        assert told.status == given.status == 200
        assert int(told.headers["content-length"]) == len(given.body)
        assert client.rest() == b""


def test_trace_reflects_nothing(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head("TRACE", "/", authorization, "X-Secret: planted"))
        answer = client.answer()
        assert answer.status == 405
        assert "planted" not in answer.text
        assert authorization.rsplit(maxsplit=1)[-1] not in answer.text


@pytest.mark.parametrize(
    ("request_line", "reason"),
    [
        ("CONNECT internal.example:443 HTTP/1.1", "connect"),
        (f"BREW {ENROLL} HTTP/1.1", "malformed"),
        (f"post {ENROLL} HTTP/1.1", "malformed"),
        (f"POST {ENROLL}", "version"),
        ("PRI * HTTP/2.0", "malformed"),
        ("\x00\x01\x02", "malformed"),
    ],
)
def test_unknown_request_line_is_refused(
    server: RunningServer, authorization: str, request_line: str, reason: str
) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(f"{request_line}\r\nHost: localhost\r\n{authorization}\r\n\r\n".encode())
        assert_refused_by_http(client.answer(), 400)
        assert client.rest() == b""
    assert_logged(server, client.source, reason, 400)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL"])
def test_headers_override_neither_method_nor_path(
    server: RunningServer, authorization: str, header: str
) -> None:
    value = "POST" if "Method" in header else ENROLL
    with untouched(server), RawClient(server) as client:
        client.send(head("GET", CACERTS, authorization, f"{header}: {value}"))
        answer = client.answer()
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/pkcs7-mime"
