#!/usr/bin/env bash
# The IoT recipe, device side: a password of the fleet opens the door once, and from then on
# the certificate renews itself. Usage: iot.sh enroll|renew URL CA_FILE, in the device's
# folder; enrolling reads the file bootstrap-password and removes it.
#
# Mended against the guide: each renewal makes a new key beside the old one, and a refusal
# leaves key and certificate as they were.
set -euo pipefail
step=$1 url=$2 ca=$3
subject="/CN=sensor-17/serialNumber=SN-0017"
san="subjectAltName=DNS:sensor-17.iot.example"

csr() { # csr KEY: a new key, and a request for it in DER
    openssl ecparam -name prime256v1 -genkey -noout -out "$1"
    openssl req -new -key "$1" -subj "$subject" -addext "$san" -outform DER
}

post() { # post OPERATION CURL_OPTION…: the CSR comes in, fresh.crt goes out
    operation=$1
    shift
    base64 -w0 | curl -sS --fail-with-body --cacert "$ca" "$@" \
        -H "Content-Type: application/pkcs10" --data-binary @- \
        "$url/.well-known/est/iot/$operation" >answer
    base64 -d answer | openssl pkcs7 -inform DER -print_certs -out fresh.crt
}

case $step in
enroll)
    # From a file: the command line of a process is no place for a password.
    printf 'user = "sensor-17:%s"\n' "$(cat bootstrap-password)" >login
    csr fresh.key | post simpleenroll --config login
    rm login bootstrap-password
    ;;
renew)
    csr fresh.key | post simplereenroll --cert device.crt --key device.key
    ;;
esac
mv fresh.key device.key
mv fresh.crt device.crt
