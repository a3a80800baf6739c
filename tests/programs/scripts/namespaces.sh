#!/bin/bash
# SPDX-License-Identifier: MIT
# Other surroundings: a namespace of process ids, a root of its own, another user, a program that may not be preloaded.
exec 2>&1
echo "-- process ids"
unshare --pid --fork --mount-proc bash -c 'echo $$; sleep 0.1 & wait; ls /proc | grep -c "^[0-9]"; python3 -c "
import os, subprocess
print(os.getpid() < 20, subprocess.run([\"true\"]).returncode)"'
echo "-- root"
mkdir -p root/bin; cp "$(command -v busybox)" root/bin/
ln -s busybox root/bin/sh; ln -s busybox root/bin/ls
python3 -c '
import os
data = [bytes(1000) for _ in range(10000)]
os.chroot("root"); os.chdir("/")
data += [bytes(1000) for _ in range(10000)]
with open("inside", "w") as file:
    print(file.fileno(), os.listdir("/"), len(data))
os.execv("/bin/sh", ["sh", "-c", "echo from inside; ls /"])'
echo "-- user"
python3 -c '
import os
before = [bytes(100) for _ in range(1000)]
os.setgid(65534); os.setuid(65534)
after = [bytes(100) for _ in range(100000)]
print(os.getuid(), os.geteuid(), len(after))'
echo "-- setuid"
cp "$(command -v id)" ./id; chmod 4755 id; chmod 755 .
su nobody -s /bin/sh -c './id -u; id -u; exit 3'; echo $?
