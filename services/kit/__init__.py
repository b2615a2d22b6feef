"""What every Hauberk process shares: no business word in it.

Sets the floor of TLS for this process, and must be imported before gRPC is: its core reads the variable once, when it
is loaded. The packages of this repository do that first of all.
"""

from __future__ import annotations

import os
import sys

# gRPC has no option for the least version in Python. Its list of cipher suites counts for TLS 1.2 only (those of 1.3
# are fixed), and this one needs a pre-shared key, which nobody has: no handshake below 1.3 finds a suite. A list that
# is set already stays: for a peer that cannot do better.
SUITES_VARIABLE = "GRPC_SSL_CIPHER_SUITES"
ONLY_TLS_1_3 = "ECDHE-PSK-CHACHA20-POLY1305"
# False when somebody had loaded gRPC before, or has set another list: TLS 1.2 is possible then.
TLS_FLOOR = os.environ.get(SUITES_VARIABLE, "" if "grpc" in sys.modules else ONLY_TLS_1_3) == ONLY_TLS_1_3
os.environ.setdefault(SUITES_VARIABLE, ONLY_TLS_1_3)
