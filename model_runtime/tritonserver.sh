#!/bin/sh
# Triton as the image carries it: its libraries, its Python backend and its caches; all other flags are the caller's.
export LD_LIBRARY_PATH=/opt/triton/lib
exec /opt/triton/bin/tritonserver --backend-directory=/opt/triton/backends --cache-directory=/opt/triton/caches "$@"
