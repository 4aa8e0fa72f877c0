#!/bin/sh
# Triton as the image carries it: its libraries, its Python backend and its caches; all other flags are the caller's.
# Triton runs as a child, because the kernel shields a container's first process from the SIGKILL that ends a Triton
# whose backend has died (model_runtime/triton/lifeline.py). SIGTERM is passed on; the exit code is Triton's.
export LD_LIBRARY_PATH=/opt/triton/lib
/opt/triton/bin/tritonserver --backend-directory=/opt/triton/backends --cache-directory=/opt/triton/caches "$@" &
server=$!
trap 'kill -TERM "$server"' TERM INT
wait "$server"
code=$?
# A signal ends `wait` before Triton has ended.
while kill -0 "$server" 2>/dev/null; do
  wait "$server"
  code=$?
done
exit "$code"
