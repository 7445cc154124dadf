"""Leads a name of Google's to the gateway, as a name server and a certificate of a company's own would: TLS ends here and begins anew.
usage: relay.py ADDRESS CERTIFICATE KEY GATEWAY_NAME GATEWAY_CA

For drivers that dial that name whatever is set. It changes no byte.
"""

import socket
import ssl
import sys
import threading

ADDRESS, CERTIFICATE, KEY, GATEWAY, CA = sys.argv[1:6]
BYTES_MAX = 65536


def copy(source, target):
    try:
        while piece := source.recv(BYTES_MAX):
            target.sendall(piece)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(connection, inside, outside):
    try:
        near = inside.wrap_socket(connection, server_side=True)
        far = outside.wrap_socket(socket.create_connection((GATEWAY, 443)), server_hostname=GATEWAY)
    except OSError as error:
        print(f"relay: {error}", file=sys.stderr)
        return
    threading.Thread(target=copy, args=(near, far), daemon=True).start()
    copy(far, near)


inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
inside.load_cert_chain(CERTIFICATE, KEY)
outside = ssl.create_default_context(cafile=CA)
for context in (inside, outside):
    context.set_alpn_protocols(["h2"])
server = socket.create_server((ADDRESS, 443))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0], inside, outside), daemon=True).start()
