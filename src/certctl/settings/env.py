"""Environment and configuration file in, ``Settings`` out, or all faults at once.

The one entry to the settings: parsed once at start, into frozen values; nothing else in
the program reads the environment. Never half: with any fault nothing comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from certctl.settings.certificate_profiles import (
    CertificateProfilesRefused,
    load_certificate_profiles,
)
from certctl.settings.envfile import Written, read_config_file
from certctl.settings.est import est_settings
from certctl.settings.events import event_settings
from certctl.settings.files import CheckedFiles
from certctl.settings.files import check_files as check_named_files
from certctl.settings.findings import Report, SettingsRefused
from certctl.settings.given import read_given
from certctl.settings.issuers import issuer_settings
from certctl.settings.lint import lint
from certctl.settings.records import records_settings
from certctl.settings.revocation import revocation_settings
from certctl.settings.schema import ServerSettings, Settings
from certctl.settings.server import server_settings
from certctl.settings.surroundings import Surroundings
from certctl.settings.tracing import trace_settings
from certctl.settings.variable import PREFIX


def load_settings(
    environ: Mapping[str, str],
    config_file: Path | None,
    *,
    check_files: bool = True,
    surroundings: Surroundings | None = None,
) -> Settings:
    """Read, check and lint all settings.

    Args:
        environ: usually ``os.environ``; names without ``CERTCTL_`` are not looked at,
            save ``STATE_DIRECTORY`` and, with traces on, ``OTEL_…``. It wins over the file; an
            empty value is unset.
        config_file: ``--config``, ``KEY=value`` lines.
        check_files: also read certificates, bundles and the listener's key. Files of
            secrets are read in any case, except the passphrase of a CA key.
        surroundings: time, cores, terminal and directory; those of the process if None.

    Raises:
        SettingsRefused: with every fault, and the warnings beside them.
    """
    here = surroundings or Surroundings.here()
    report = Report()
    written: dict[str, Written] = {}
    if config_file is not None:
        written.update(read_config_file(config_file, report))
    for name, text in environ.items():
        if name.startswith(PREFIX) and text.strip():
            written[name] = Written(text=text)
    given = read_given(written, here.directory, report)
    server = server_settings(given, environ, here)
    issuers = issuer_settings(given)
    revocation = revocation_settings(given, server)
    est = est_settings(
        given,
        frozenset(issuer.id for issuer in issuers),
        # Those of the store are known to the authority alone, which looks at its start.
        others_in_store=server.config_key is not None,
    )
    events = event_settings(given, server)
    traces = trace_settings(given, environ)
    files = CheckedFiles()
    if check_files:
        files = check_named_files(server, est, issuers, given, now_us=here.now_us)
        _check_certificate_profiles(server, report)
    if report.faults:
        raise SettingsRefused(report.faults, report.warnings)
    settings = Settings(
        server=server,
        est=est,
        issuers=issuers,
        revocation=revocation,
        events=events,
        records=records_settings(given, est),
        traces=traces,
    )
    found = lint(settings, files, now_us=here.now_us)
    return replace(settings, warnings=(*found, *report.warnings))


def _check_certificate_profiles(server: ServerSettings, report: Report) -> None:
    """Read for their faults; the processes that use them read them for themselves."""
    if server.certificate_profiles_dir is None:
        return
    try:
        load_certificate_profiles(server.certificate_profiles_dir)
    except CertificateProfilesRefused as refused:
        report.faults += refused.findings
