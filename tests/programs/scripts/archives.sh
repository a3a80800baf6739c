#!/bin/bash
# SPDX-License-Identifier: MIT
# tar with compressors that work in several threads; what they write and what comes back.
set -eu
mkdir source
for i in 1 2 3 4 5 6; do
	seq $((i * 1000)) $((i * 90000)) >source/numbers$i
done
ln source/numbers1 source/link; ln -s numbers2 source/symbolic; mkfifo source/pipe; truncate -s 5M source/sparse
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -Scf all.tar source
gzip -9n <all.tar >all.tar.gz
xz -T2 -1 -k --block-size=1MiB all.tar
zstd -q -T2 -5 all.tar
bzip2 -k all.tar
xz -dc -T2 all.tar.xz | sha256sum; zstd -dcq all.tar.zst | sha256sum; gzip -dc all.tar.gz | sha256sum; bzip2 -dc all.tar.bz2 | sha256sum
mkdir back
tar -C back -xf all.tar.xz
diff -r --no-dereference -x pipe source back/source
tar -I 'zstd -T2' -tf all.tar.zst
split -b 300K all.tar.zst part. ; cat part.* | cmp - all.tar.zst
sort --parallel=2 -S 1M -T . -r source/numbers6 | sha256sum
rm -r back part.*
