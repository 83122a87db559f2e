"""What the log says of a job that failed."""

from __future__ import annotations

from certctl.authority.crl import issuer_of
from certctl.domain.errors import Failure
from certctl.domain.failure_words import words_of
from certctl.obs.log import Log
from certctl.store import StoreError


def tell_failed(log: Log, job: str, fault: BaseException, *, holder: str) -> None:
    """Which job, of which issuer and process, what went wrong and how to mend it.

    What is none of our failures is likely a fault of ours: its trace comes with it.
    """
    words = words_of(fault)
    expected = isinstance(fault, (Failure, StoreError, OSError))
    log.warning(
        "job_failed",
        job=job,
        **({"issuer": issuer} if (issuer := issuer_of(job)) else {}),
        holder=holder,
        problem=words.problem,
        **({"remedy": words.remedy} if words.remedy else {}),
        **({} if expected else {"exc_info": fault}),
    )
