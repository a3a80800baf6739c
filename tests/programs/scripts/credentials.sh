#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that may have one thread only, or whose threads must all change their identity alike.
exec 2>&1
setpriv --reuid 65534 --regid 65534 --clear-groups python3 -c 'import os; print(os.getuid(), os.getgid(), os.getgroups())'
setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all id -u
unshare --user --map-root-user id -u
unshare --mount true; echo "unshare $?"
nsenter -t $$ -m true; echo "nsenter $?"
python3 -c 'import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))'
