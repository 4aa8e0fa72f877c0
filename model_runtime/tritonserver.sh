#!/bin/sh
# Triton as the image carries it: its libraries, its Python backend and its caches; all other flags are the caller's.
# Triton runs as a child, because the kernel shields a container's first process from the SIGKILL that ends a Triton
# whose backend has died (model_runtime/triton/lifeline.py). SIGTERM is passed on; the exit code is Triton's.
# What Triton offers to administrators, over HTTP and gRPC, wants a header with a word that is made here at each start
# and told to nobody: models, shared memory, traces and logs are settled before the start, and nobody changes them.
word=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
if [ "${#word}" -ne 64 ]; then
  echo "tritonserver: /dev/urandom gave no 32 bytes to close Triton's administration with" >&2
  exit 1
fi
closed=model-repository,shared-memory,trace,logging:x-nereid-admin=$word
export LD_LIBRARY_PATH=/opt/triton/lib
/opt/triton/bin/tritonserver --backend-directory=/opt/triton/backends --cache-directory=/opt/triton/caches \
  "--http-restricted-api=$closed" "--grpc-restricted-protocol=$closed" "$@" &
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
