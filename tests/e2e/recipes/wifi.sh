#!/usr/bin/env bash
# The WiFi recipe, device side: a factory certificate opens the door once, and from then on
# the certificate renews itself. Usage: wifi.sh enroll|renew URL CA_FILE, in the device's
# folder, which holds bootstrap.crt and bootstrap.key.
#
# Mended against the guide: the renewal keeps the serialNumber of the first request (RFC 7030
# §4.2.2 wants the same subject), a refusal is not written over the certificate, and the
# answer is base64 of a certs-only PKCS#7 without a PEM line around it.
set -euo pipefail
step=$1 url=$2 ca=$3
subject="/CN=laptop-001/serialNumber=ABC123"

post() { # post OPERATION CERTIFICATE KEY: the CSR comes in, the certificate goes out
    base64 -w0 | curl -sS --fail-with-body --cacert "$ca" --cert "$2" --key "$3" \
        -H "Content-Type: application/pkcs10" --data-binary @- \
        "$url/.well-known/est-mtls/wifi/$1" >answer
    base64 -d answer | openssl pkcs7 -inform DER -print_certs -out fresh.crt
    mv fresh.crt eap.crt
}

case $step in
enroll)
    openssl ecparam -name prime256v1 -genkey -noout -out eap.key
    openssl req -new -key eap.key -subj "$subject" -outform DER |
        post simpleenroll bootstrap.crt bootstrap.key
    ;;
renew)
    openssl req -new -key eap.key -subj "$subject" -outform DER |
        post simplereenroll eap.crt eap.key
    ;;
esac
