"""``certctl-cli est`` against the real server: the guide's lines word for word, and more."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server, free_port, write_rules
from tests.harness.shell import Shell, shell_for

PASSWORD = "password-of-the-cli-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("cli")
    profiles = directory / "certificate-profiles"
    write_rules(profiles, {"requires_approval": True, "allowed_ekus": []}, "slow")
    (profiles / "strict.toml").write_text(
        'allowed_ekus = ["clientAuth"]\nallowed_key_algorithms = [{ algorithm = "ECDSA" }]\n'
    )
    settings = {"CERTIFICATE_PROFILES_DIR": str(profiles), "EST_PROFILES": "corp,bound,slow,open"}
    for infix in ("CORP", "BOUND", "SLOW"):
        settings |= {
            f"EST_PROFILE_{infix}_ISSUER_ID": "iss-local",
            f"EST_PROFILE_{infix}_ALLOWED_AUTH_MODES": "basic,mtls",
            f"EST_PROFILE_{infix}_MTLS_OWN_ONLY": "true",
            f"EST_PROFILE_{infix}_ENROLLMENT_PASSWORD": PASSWORD,
        }
    settings |= {
        "EST_PROFILE_BOUND_CHANNEL_BINDING_REQUIRED": "true",
        "EST_PROFILE_CORP_PROFILE_ID": "strict",
        "EST_PROFILE_SLOW_PROFILE_ID": "slow",
        "EST_PROFILE_OPEN_ISSUER_ID": "iss-local",
    }
    with configured_server(directory, settings) as running:
        yield running


@pytest.fixture
def shell(server: RunningServer, tmp_path: Path) -> Shell:
    (tmp_path / "pw").write_text(PASSWORD + "\n")
    return shell_for(server, tmp_path)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    made = Device(tmp_path, "cli-device-1")
    (tmp_path / "device.csr").write_bytes(made.csr().public_bytes(Encoding.PEM))
    return made


def basic(name: str = "cli-device-1") -> tuple[str, ...]:
    return ("--user", name, "--password-file", "pw")


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


# --- the guide's lines -------------------------------------------------------------------


def test_the_guides_lines_work_word_for_word(
    server: RunningServer, shell: Shell, device: Device
) -> None:
    ca = x509.load_pem_x509_certificates(shell.good("est", "cacerts", "--profile", "corp").encode())
    assert ca[0] == x509.load_pem_x509_certificate(server.ca_file.read_bytes())
    assert base64.b64decode(
        shell.good("est", "csrattrs", "--profile", "corp").strip(), validate=True
    )
    printed = shell.good("est", "enroll", "--profile", "open", "--csr", "device.csr")
    assert x509.load_pem_x509_certificate(printed.encode()).public_key() == device.key.public_key()
    again = shell.directory / "again.pem"
    csr = (shell.directory / "device.csr").read_bytes()
    shell.good("est", "enroll", "--profile", "open", "--csr", "-", "--out", str(again), stdin=csr)
    assert certificate(again) == x509.load_pem_x509_certificate(printed.encode())
    shell.good("est", "reenroll", "--profile", "open", "--csr", "device.csr", "--out", "new.pem")
    assert certificate(shell.directory / "new.pem").public_key() == device.key.public_key()
    told = shell.good("est", "test", "--profile", "corp", "--output", "table")
    assert "good    cacerts: 1 certificate" in told
    assert "good    csrattrs:" in told


@pytest.mark.parametrize(
    "line", [("serverkeygen", "--out", "prefix"), ("fullcmc", "--out", "answer.pem")]
)
@pytest.mark.usefixtures("device")
def test_what_the_server_does_not_offer_is_said_so(shell: Shell, line: tuple[str, ...]) -> None:
    told = shell.bad(3, "est", line[0], "--profile", "open", "--csr", "device.csr", *line[1:])
    assert f"does not offer {line[0]}" in told
    assert sorted(each.name for each in shell.directory.glob("*.pem")) == []


# --- csrattrs ----------------------------------------------------------------------------


def test_csrattrs_are_the_servers_own_octets_and_openssl_reads_them(shell: Shell) -> None:
    der = base64.b64decode(
        shell.good("est", "csrattrs", "--profile", "corp").strip(), validate=True
    )
    read = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER"], input=der, capture_output=True, check=True
    ).stdout.decode()
    assert "X509v3 Extended Key Usage" in read
    assert "id-ecPublicKey" in read
    lines = shell.good("est", "csrattrs", "--profile", "corp", "--decode").splitlines()
    assert "extensionRequest: extendedKeyUsage clientAuth" in lines
    assert "ecPublicKey: P-256" in lines


def test_csrattrs_are_nothing_where_the_server_wants_nothing(shell: Shell) -> None:
    assert shell.good("est", "csrattrs", "--profile", "slow") == ""
    assert shell.good("est", "csrattrs", "--profile", "slow", "--decode") == ""


# --- enrolling with a key made here --------------------------------------------------------


def test_a_key_made_here_is_private_and_of_the_certificate(shell: Shell) -> None:
    shell.good(
        *("est", "enroll", "--profile", "corp", *basic(), "--new-key", "p256"),
        *("--cn", "cli-device-1", "--san", "DNS:cli-device-1.example", "--out", "device.pem"),
    )
    key_file = shell.directory / "device.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key = load_pem_private_key(key_file.read_bytes(), None)
    issued = certificate(shell.directory / "device.pem")
    assert issued.public_key() == key.public_key()
    sans = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.DNSName) == ["cli-device-1.example"]
    # No half-written file is left beside them.
    assert sorted(each.name for each in shell.directory.iterdir()) == [
        "device.key",
        "device.pem",
        "pw",
    ]
    # It renews itself over its certificate, for another key, with the same names.
    shell.good(
        *("est", "reenroll", "--profile", "corp", "--cert", "device.pem", "--key", "device.key"),
        *("--new-key", "p384", "--out", "renewed.pem"),
    )
    renewed = certificate(shell.directory / "renewed.pem")
    assert renewed.subject == issued.subject
    assert renewed.public_key() != issued.public_key()


def test_a_key_file_is_never_overwritten(shell: Shell) -> None:
    (shell.directory / "device.key").write_text("precious")
    told = shell.bad(
        2,
        *("est", "enroll", "--profile", "corp", *basic(), "--new-key", "p256"),
        *("--cn", "cli-device-1", "--out", "device.pem"),
    )
    assert "is there already" in told
    assert (shell.directory / "device.key").read_text() == "precious"


def test_a_bound_request_is_taken_and_an_unbound_one_is_not(
    server: RunningServer, shell: Shell
) -> None:
    line = ("est", "enroll", "--profile", "bound", *basic(), "--new-key", "p256", "--cn", "b-1")
    told = shell.bad(5, *line, "--out", "b.pem")
    assert "channel binding" in told.lower()
    # The key of a request that was refused is not left in the way of the next one.
    assert not (shell.directory / "b.key").exists()
    shell.good(*line, "--bind", "--out", "b.pem")
    issued = certificate(shell.directory / "b.pem")
    bound = [
        each.event.details
        for each in all_events(server)
        if each.event.details.get("channel_binding") == "tls-exporter"
    ]
    assert len(bound) == 1
    assert issued.subject.rfc4514_string() == "CN=b-1"


# --- refusals ----------------------------------------------------------------------------


@pytest.mark.usefixtures("device")
def test_a_refusal_tells_what_came_which_rule_and_the_remedy(shell: Shell) -> None:
    wrong = shell.directory / "wrong"
    wrong.write_text("not the password")
    line = ("est", "enroll", "--profile", "corp", "--csr", "device.csr", "--user", "x")
    told = shell.bad(4, *line, "--password-file", "wrong").splitlines()
    assert told[0] == "certctl-cli: simpleenroll was answered with 401."
    assert len(told) == 5, told
    assert told[4].startswith("  request-id: ")
    key = ("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "rsa.key")
    subprocess.run(
        [*key, "-subj", "/CN=rsa", "-out", "rsa.csr"],
        cwd=shell.directory,
        check=True,
        capture_output=True,
    )
    told = shell.bad(
        5, "est", "enroll", "--profile", "corp", *basic(), "--csr", "rsa.csr"
    ).splitlines()
    assert "key" in told[1], told
    assert any("certificate profile wants" in line for line in told)


def test_pending_ends_with_its_own_code_and_keeps_the_key(shell: Shell) -> None:
    told = shell.bad(
        6,
        *("est", "enroll", "--profile", "slow", *basic(), "--new-key", "p256"),
        *("--cn", "cli-device-1", "--out", "slow.pem"),
    )
    assert "Ask again in 60 seconds" in told
    assert "--sign-key" in told
    assert (shell.directory / "slow.key").exists()
    assert not (shell.directory / "slow.pem").exists()


def test_a_profile_that_is_not_there_is_not_found(shell: Shell) -> None:
    assert "404" in shell.bad(3, "est", "cacerts", "--profile", "nobody")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("est", "enroll"), "What is to be certified?"),
        (("est", "enroll", "--cn", "a"), "With which key?"),
        (("est", "enroll", "--new-key", "p256", "--cn", "a"), "Where does the new key go?"),
        (("est", "enroll", "--csr", "missing.csr"), "missing.csr cannot be read"),
        (("est", "enroll", "--csr", "pw"), "pw holds no PKCS#10 request"),
        (("est", "enroll", "--csr", "device.csr", "--bind"), "--csr is sent as it is"),
        (("est", "cacerts", "--cert", "pw"), "--cert and --key go together"),
        (("est", "cacerts", "--cert", "pw", "--key", "pw"), "pw and pw cannot be used"),
        (("est", "cacerts", "--password-file", "pw"), "--password-file needs --user"),
        (("est", "cacerts", "--user", "x"), "needs --password-file"),
        (("est", "cacerts", "--server", "http://localhost"), "is not https"),
        (("est", "cacerts", "--ca-bundle", "pw"), "The CA file pw cannot be used"),
        (("est", "cacerts", "--context", "nowhere"), "There is no context nowhere"),
        (("est", "cacerts", "--profile", "../admin"), "one path segment"),
        (
            ("est", "enroll", "--csr", "device.csr", "--out", "absent/device.pem"),
            "absent/device.pem cannot be written",
        ),
        (
            ("est", "enroll", "--new-key", "p256", "--cn", "a", "--out", "device.key"),
            "cannot go into one file",
        ),
        (("est", "reenroll"), "Which certificate is to be renewed?"),
        (("est", "no-such-command"), "No such command"),
    ],
)
@pytest.mark.usefixtures("device")
def test_bad_usage_ends_with_2_and_says_what_is_missing(
    shell: Shell, line: tuple[str, ...], told: str
) -> None:
    assert told in " ".join(shell.bad(2, *line).split())


@pytest.mark.usefixtures("device")
def test_a_server_of_another_ca_is_not_spoken_to(server: RunningServer, shell: Shell) -> None:
    stranger = ForeignCA("stranger").bundle(shell.directory / "stranger.pem")
    events = len(all_events(server))
    told = shell.bad(
        7,
        *("est", "enroll", "--profile", "corp", "--csr", "device.csr", *basic()),
        *("--ca-bundle", str(stranger)),
    )
    assert "CA that is not trusted here" in told
    assert "--ca-bundle" in told
    assert len(all_events(server)) == events


def test_a_server_under_another_name_is_not_spoken_to(server: RunningServer, shell: Shell) -> None:
    told = shell.bad(7, "est", "cacerts", "--server", f"https://127.1:{server.port}")
    assert "is not for 127.1" in told


def test_nobody_there_is_a_matter_of_the_network(shell: Shell) -> None:
    told = shell.bad(7, "est", "cacerts", "--server", f"https://localhost:{free_port()}")
    assert "cannot be reached" in told


# --- contexts ----------------------------------------------------------------------------


def test_a_context_of_the_config_file_stands_for_the_environment(
    server: RunningServer, shell: Shell
) -> None:
    folder = shell.directory / "config" / "certctl"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        f'current = "lab"\n[contexts.lab]\nserver_url = "{server.url}"\n'
        f'ca_bundle = "{server.ca_file}"\n[contexts.gone]\n'
        f'server_url = "https://localhost:{free_port()}"\n[contexts.bad]\nserver = "x"\n'
    )
    bare = Shell(shell.directory)
    assert "BEGIN CERTIFICATE" in bare.good("est", "cacerts", "--profile", "open")
    assert "cannot be reached" in shell.bad(7, "est", "cacerts", "--context", "gone")
    # The environment wins over the file's own choice.
    gone = f"https://localhost:{free_port()}"
    assert bare.run("est", "cacerts", CERTCTL_SERVER_URL=gone).returncode == 7
    assert "It may have server_url" in bare.bad(2, "est", "cacerts", "--context", "bad")


def test_without_any_server_it_asks_which(tmp_path: Path) -> None:
    assert "Which server?" in Shell(tmp_path).bad(2, "est", "cacerts")


# --- doctor ------------------------------------------------------------------------------


def test_the_doctor_finds_nothing_wrong_with_our_own_server(
    server: RunningServer, shell: Shell
) -> None:
    issued = len(all_events(server))
    line = ("doctor", server.url, "--profile", "corp", *basic())
    report = json.loads(shell.good(*line))
    assert report["healthy"] is True
    verdicts = {each["check"]: each["verdict"] for each in report["results"]}
    assert verdicts["dry enrollment"] == "good"
    assert verdicts["certificate"] == "good"
    told = shell.good(*line, "--output", "table").splitlines()
    assert told[-1] == "Healthy."
    granted = [
        each for each in all_events(server)[issued:] if each.event.action.value.endswith("success")
    ]
    assert granted == []


def test_the_doctor_ends_with_8_where_anybody_may_enroll(
    server: RunningServer, shell: Shell
) -> None:
    done = shell.run("doctor", server.url, "--profile", "open", "--output", "json")
    assert done.returncode == 8, done.stderr
    findings = [each for each in json.loads(done.stdout)["results"] if each["finding"]]
    assert [each["finding"] for each in findings] == ["anonymous_enrollment"]
    done = shell.run("doctor", server.url, "--profile", "open", "--output", "table")
    assert done.returncode == 8
    assert b"anonymous_enrollment: " in done.stdout


def test_the_doctor_says_in_one_line_what_it_did_not_try(shell: Shell) -> None:
    made = Device(shell.directory)
    (shell.directory / "device.csr").write_bytes(made.csr().public_bytes(Encoding.PEM))
    url = f"https://localhost:{free_port()}"
    done = shell.run("doctor", url, "--explain", "device.csr", "--output", "table")
    assert done.returncode == 8, done.stderr
    (left_out,) = (line for line in done.stdout.decode().splitlines() if "Not tried" in line)
    assert left_out == (
        "skipped  clock, cacerts, certificate, csrattrs, authentication, dry enrollment,"
        " revocation, explain  Not tried: there is no connection to the server."
    )


def test_the_doctor_tells_a_wrong_password_and_a_wrong_profile(
    server: RunningServer, shell: Shell
) -> None:
    (shell.directory / "wrong").write_text("not the password")
    line = ("doctor", server.url, "--user", "x", "--password-file", "wrong", "--output", "json")
    found = json.loads(shell.run(*line, "--profile", "corp").stdout)
    assert [each["finding"] for each in found["results"] if each["finding"]] == [
        "credentials_refused"
    ]
    found = json.loads(shell.run(*line, "--profile", "nobody").stdout)
    assert "cacerts_refused" in [each["finding"] for each in found["results"]]
