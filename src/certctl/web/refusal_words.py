"""What each reason of a refusal says: what came, which rule, how to mend it (est §7).

Each reason and each dimension of the policy has a remedy of its own, written for the one
who can act on it: the maker of the device first, the operator where only a setting helps.
Settings are named as docs/reference has them, without their prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    """Three sentences or parts of them; ``what`` of a malformed body takes a note behind it."""

    what: str
    rule: str
    mend: str


CERTIFICATE: Mapping[str, Words] = {
    "missing": Words(
        "No client certificate was shown.",
        "This profile needs a client certificate here (ALLOWED_AUTH_MODES, the est-mtls route).",
        "Give the client its certificate and key, so that it shows them in the TLS handshake.",
    ),
    "untrusted": Words(
        "The client certificate is not one that opens this profile here.",
        "It must chain to the trust bundle of the profile, or be the profile's own at renewal.",
        "Show it with its intermediate certificates; else the operator compares its issuer with"
        " `certctl-server trust list`.",
    ),
    "expired": Words(
        "The client certificate has expired.",
        "A client certificate opens nothing after its notAfter (REENROLL_GRACE at renewal).",
        "Enroll anew with what opened this profile first, and renew before notAfter from then on.",
    ),
    "not_yet_valid": Words(
        "The client certificate is not valid yet.",
        "A client certificate opens nothing before its notBefore.",
        "Wait until its notBefore, or have its issuer mend the clock it was made by.",
    ),
    "revoked": Words(
        "The client certificate has been revoked.",
        "A revoked certificate neither enrolls nor renews, from the moment of its revocation.",
        "Make a new key and enroll it with another credential; the operator finds the reason of"
        " the revocation by the serial number.",
    ),
    "no_crl": Words(
        "It cannot be told now whether the client certificate has been revoked.",
        "MTLS_CRL_POLICY=hard demands a current CRL of each CA in the chain.",
        "The operator puts a fresh CRL into the bundle file and runs"
        " `certctl-server trust reload`; then try again.",
    ),
    "wrong_usage": Words(
        "The client certificate is not meant for client authentication.",
        "It is no CA's; its extendedKeyUsage, if any, has clientAuth, its keyUsage"
        " digitalSignature.",
        "Show the device's certificate for TLS clients, or have one issued with these usages.",
    ),
    "other_profile": Words(
        "The client certificate was not issued for this profile.",
        "A certificate issued here opens the profile that issued it (ACCEPT_FROM_PROFILES).",
        "Use the path of the profile that issued it, or enroll here with a credential of this"
        " profile.",
    ),
}

_ONE = "The body is one PKCS#10 request (RFC 7030 §4.2.1"
_BODY = f"{_ONE}, RFC 2986)."

MALFORMED: Mapping[str, Words] = {
    "empty": Words(
        "The body is empty",
        _BODY,
        "Put the CSR into the body of the POST; with curl: --data-binary @device.csr.",
    ),
    "not_base64": Words(
        "The body is not base64, PEM or DER",
        f"{_ONE}); base64 has one alphabet, whole padding and nothing between but"
        " whitespace (RFC 4648 §4, RFC 8951).",
        "Encode it again: openssl req -in device.csr -outform DER | base64.",
    ),
    "not_pkcs10": Words(
        "The body is not a PKCS#10 request",
        _BODY,
        "Send the request, not a certificate or key; make it with: openssl req -new -key"
        " device.key -out device.csr.",
    ),
    "trailing_bytes": Words(
        "There are octets after the request",
        f"{_ONE}) and ends with it.",
        "Send the first request alone, cut at its END line or DER length.",
    ),
    "ber": Words(
        "The request is BER, not DER",
        f"{_ONE}) in DER: shortest lengths, sorted sets, no defaults (X.690 §10).",
        "Have the maker of the CSR write DER; openssl req -in device.csr -outform DER shows"
        " whether it does.",
    ),
    "attribute": Words(
        "An attribute of the request is malformed",
        f"{_ONE}); an attribute stands once, with as many values as its type has.",
        "Write each attribute once, with one value; look with: openssl req -in device.csr -text.",
    ),
    "extension": Words(
        "A requested extension is malformed",
        f"{_ONE}); an extension stands once and holds DER of its type (RFC 5280 §4.2).",
        "Write the extension that is named as its type says; look with: openssl asn1parse -i -in"
        " device.csr.",
    ),
}

POLICY: Mapping[str, str] = {
    "key_algorithm": "Make the device's key anew, of an algorithm that is wanted (operator:"
    " allowed_key_algorithms).",
    "key_size": "Make a key of an allowed size: openssl genpkey -algorithm RSA -pkeyopt"
    " rsa_keygen_bits:3072, or EC on P-256 (operator: min_size in allowed_key_algorithms).",
    "weak_key": "Throw this key away and make a new one on the device, for this device alone, with"
    " a good random source; never copy a key (operator: allow_key_reuse for one key, two names).",
    "eku": "Leave extendedKeyUsage out of the CSR, then the allowed ones are set, or ask for none"
    " but these (operator: allowed_ekus).",
    "san": "Mend the subjectAltName of the CSR: kinds, number and form of its names (operator:"
    " allowed_san_types, max_sans, required_san_patterns).",
    "subject": "Mend the subject of the CSR: openssl req -subj /CN=… -utf8 (operator:"
    " required_subject_patterns, permitted_subject_bases).",
    "name": "Ask for a name that is this device's own, written plainly in one alphabet and within"
    " the names that are permitted (operator: name_constraints, required_san_patterns).",
    "attribute": "Make the CSR with just the attributes that csrattrs of this profile lists"
    " (operator: required_csr_attributes, allow_subject_change).",
    "extension": "Leave this extension out of the CSR: a device gets an end-entity certificate"
    " and no power of a CA.",
    "lint": "Change what the finding names in subject or subjectAltName, by RFC 5280 (operator:"
    " lint of the certificate profile; warn lets it pass).",
}

_RENEWAL_RULE = "A renewal keeps subject and subjectAltName of what it renews (RFC 7030 §4.2.2)."

NOT_ALLOWED: Mapping[str, Words] = {
    "identity_mismatch": Words(
        "The CSR is not for the device that the client certificate names.",
        "IDENTITY_BINDING of the profile ties the CSR to the client certificate shown.",
        "Ask with the certificate of this very device, or copy its name into the CSR.",
    ),
    "subject_changed": Words(
        "The CSR's subject is not that of the certificate shown.",
        _RENEWAL_RULE,
        "Copy the subject of the present certificate into the CSR, or enroll anew.",
    ),
    "san_changed": Words(
        "The CSR's subjectAltName is not that of the certificate shown.",
        _RENEWAL_RULE,
        "Copy the subjectAltName of the present certificate into the CSR, or enroll anew.",
    ),
    "key_not_new": Words(
        "The CSR's key is that of the certificate it renews.",
        "REENROLL_KEY=new of the profile wants a new key at each renewal.",
        "Make a new key for this renewal.",
    ),
    "key_changed": Words(
        "The CSR's key is not that of the certificate it renews.",
        "REENROLL_KEY=same of the profile keeps the key at a renewal.",
        "Renew with the present key, or enroll anew.",
    ),
    "nothing_to_renew": Words(
        "There is no valid certificate with this subject and subjectAltName to renew.",
        "Without the certificate itself, a renewal is of the newest valid one on record with its"
        " names.",
        "Use simpleenroll for a first certificate, or write the names just as they were.",
    ),
}
