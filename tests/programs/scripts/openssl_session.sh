#!/bin/bash
# SPDX-License-Identifier: MIT
# openssl: a short measure in two processes, digests, ciphers, a certificate; ssh-keygen: keys, signatures.
set -eu
openssl speed -seconds 1 -bytes 1024 -multi 2 sha256 2>&1 | sed 's/[0-9][0-9.]*/N/g' | grep -iE '^(sha256|doing|\+)' | sort
openssl speed -seconds 1 -bytes 64 -evp aes-128-cbc 2>/dev/null | sed 's/[0-9][0-9.]*k/Nk/g' | tail -1
seq 100000 >plain
openssl dgst -sha512 plain
openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -pass pass:word -in plain -out secret
openssl enc -d -aes-256-cbc -pbkdf2 -S 0102030405060708 -pass pass:word -in secret | cmp - plain
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=test 2>/dev/null
openssl verify -CAfile cert.pem cert.pem
openssl x509 -in cert.pem -noout -subject
for kind in ed25519 rsa ecdsa; do
	ssh-keygen -q -t $kind -N '' -C comment -f id_$kind
	ssh-keygen -lf id_$kind.pub | awk '{print $1, $3, $4}'
	ssh-keygen -y -f id_$kind | cmp - id_$kind.pub
done
ssh-keygen -q -Y sign -f id_ed25519 -n file plain 2>/dev/null
echo "me $(cat id_ed25519.pub)" >allowed
ssh-keygen -Y verify -f allowed -I me -n file -s plain.sig <plain >verdict && wc -l <verdict
