"""Starts bqemulator, which knows nothing of this project. usage: emulator.py FOLDER REST_PORT GRPC_PORT

Two things keep it from serving real clients here: it downloads extensions of its database, which lie in packages of their own; and it refuses the media
type that Google's library for Python really sends for the second part of an upload.
"""

import glob
import os
import shutil
import sys
import sysconfig

FOLDER, REST_PORT, GRPC_PORT = sys.argv[1:4]
# Where the database looks for its extensions.
os.environ["HOME"] = FOLDER
os.environ["BQEMU_GCS_LOCAL_ROOT"] = os.path.join(FOLDER, "buckets")

import duckdb

PLATFORM = duckdb.sql("PRAGMA platform").fetchone()[0]
EXTENSIONS = os.path.join(FOLDER, ".duckdb", "extensions", f"v{duckdb.__version__}", PLATFORM)
os.makedirs(EXTENSIONS)
for file in glob.glob(os.path.join(sysconfig.get_path("purelib"), "duckdb_extension_*", "extensions", "*", "*.duckdb_extension")):
    shutil.copy(file, EXTENSIONS)

import bqemulator.api.routes.upload
import bqemulator.cli

bqemulator.api.routes.upload._is_permitted_media_type = lambda _: True
sys.argv[1:] = ["start", "--rest-host", "127.0.0.1", "--rest-port", REST_PORT, "--grpc-host", "127.0.0.1", "--grpc-port", GRPC_PORT]
sys.argv += ["--ephemeral", "--project", "acme-prod", "--log-level", "warning"]
bqemulator.cli.main()
