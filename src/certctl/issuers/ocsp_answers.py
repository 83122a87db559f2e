"""Signed OCSP answers of one CA, and those of them that can be given again.

What is kept is the answer about one certificate without a nonce, good or revoked; never
``unknown``, since the certificate may be issued the next moment. An answer is dropped when
the status changes or when a quarter of its time is left (RFC 5019 §5, §6).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

from certctl.domain.clock import SECOND_US
from certctl.domain.errors import OcspRefused
from certctl.domain.ocsp import CertificateStanding, OcspAnswer, OcspError, Standing
from certctl.issuers.responder import Responder
from certctl.wire.ocsp_request import OcspIssuer, OcspQuestion, decode_request, standard_cert_id
from certctl.wire.ocsp_response import encode_response_data, seal_response

ANSWER_VALIDITY_US = 3_600 * SECOND_US
"""From thisUpdate to nextUpdate: how long a reader may go on with an answer it has."""

MAX_KEPT = 50_000
"""Answers, of about a kilobyte each."""


class OcspAnswers:
    """The desk of one CA's responder; for one thread."""

    __slots__ = ("_kept", "_max_kept", "_responder", "_validity_us", "epoch", "issuer")

    def __init__(
        self,
        issuer: OcspIssuer,
        responder: Responder,
        *,
        validity_us: int = ANSWER_VALIDITY_US,
        max_kept: int = MAX_KEPT,
    ) -> None:
        self.issuer = issuer
        self._responder = responder
        self._validity_us = validity_us
        self._max_kept = max_kept
        self._kept: OrderedDict[bytes, OcspAnswer] = OrderedDict()
        self.epoch = 0
        """Changes with every ``forget``; to be taken before a status is read."""

    def kept(self, request: bytes, *, now_us: int) -> OcspAnswer | None:
        """The answer to this request (DER) if it was given before and still holds."""
        cert_id = standard_cert_id(request)
        return None if cert_id is None else self._fresh(cert_id, now_us)

    def kept_for_serial(self, serial: str, *, now_us: int) -> OcspAnswer | None:
        """The same for a question by serial number alone (lower-case hex, no padding)."""
        return self._fresh(self.issuer.cert_ids(serial)[0], now_us)

    def read(self, request: bytes) -> OcspQuestion:
        """Read a request (DER) that this CA can answer, at least in part.

        Raises:
            OcspRefused: ``malformedRequest``; ``unauthorized`` where all CertIDs name
                other CAs, or hash in a way not known (RFC 5019 §2.2.3).
        """
        question = decode_request(request)
        if not any(self.issuer.is_meant(cert_id) for cert_id in question.cert_ids):
            raise OcspRefused(OcspError.UNAUTHORIZED, "asks about another issuer")
        return question

    def answer(
        self,
        question: OcspQuestion,
        standings: Mapping[str, CertificateStanding],
        *,
        now_us: int,
        epoch: int,
    ) -> OcspAnswer:
        """Sign the answer to a question, and keep it where it can be given again.

        Args:
            question: of ``read``, or of ``OcspIssuer.question``.
            standings: by serial (lower-case hex without padding); absent is ``unknown``.
            now_us: microseconds since the epoch.
            epoch: as it was before the standings were read: had one changed since, the
                answer would be kept past the ``forget`` that was meant for it.

        Raises:
            OcspRefused: ``tryLater``; the responder's certificate is not valid now.
        """
        responder = self._responder
        if not responder.not_before_us <= now_us < responder.not_after_us:
            raise OcspRefused(OcspError.TRY_LATER, "the responder's certificate is not valid now")
        answers = [
            (
                cert_id.der,
                # What another CA says of a certificate is not for this one to tell.
                standings.get(cert_id.serial, Standing.UNKNOWN)
                if self.issuer.is_meant(cert_id)
                else Standing.UNKNOWN,
            )
            for cert_id in question.cert_ids
        ]
        next_update_us = min(now_us + self._validity_us, responder.not_after_us)
        response_data = encode_response_data(
            answers,
            responder=responder.name,
            produced_us=now_us,
            next_update_us=next_update_us,
            nonce=question.nonce,
        )
        der = seal_response(
            response_data,
            algorithm_der=responder.signer.algorithm_der,
            signature=responder.signer.sign(response_data),
            certificate_der=responder.certificate_der,
        )
        lasting = (
            question.nonce is None
            and len(answers) == 1
            and answers[0][1] is not Standing.UNKNOWN
            and epoch == self.epoch
        )
        answer = OcspAnswer(
            der=der,
            produced_us=now_us,
            next_update_us=next_update_us,
            fresh_until_us=(next_update_us * 3 + now_us) // 4 if lasting else now_us,
            etag=hashlib.sha256(der).hexdigest()[:32],
            serial=question.cert_ids[0].serial if lasting else "",
            standing=answers[0][1],
        )
        if lasting:
            self._keep(answers[0][0], answer)
        return answer

    def forget(self, serial: str) -> None:
        """Drop what is kept about a certificate (hex), because its status changed."""
        self.epoch += 1
        for cert_id in self.issuer.cert_ids(serial):
            self._kept.pop(cert_id, None)

    def forget_all(self) -> None:
        """Drop all answers, because it is not known which certificates changed."""
        self.epoch += 1
        self._kept.clear()

    def use(self, responder: Responder) -> None:
        """Answer with another responder from now on, after a rotation."""
        self._responder = responder
        self.forget_all()

    def _fresh(self, cert_id: bytes, now_us: int) -> OcspAnswer | None:
        answer = self._kept.get(cert_id)
        if answer is None or not answer.produced_us <= now_us < answer.fresh_until_us:
            return None
        return answer

    def _keep(self, cert_id: bytes, answer: OcspAnswer) -> None:
        self._kept[cert_id] = answer
        if len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)
