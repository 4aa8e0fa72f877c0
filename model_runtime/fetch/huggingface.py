"""Models of a Hugging Face hub: `hf://organization/name`, at huggingface.co, at `--endpoint` or at HF_ENDPOINT.

The hub's API pins the revision to a commit and states each file's digest: SHA-256 for large (LFS) files, git's blob id
for the small ones. `--credentials` holds the key `token`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import httpx
from huggingface_hub import HfApi, ModelInfo, close_session, constants, hf_hub_url, set_client_factory
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from model_runtime.arguments import SourceArguments
from model_runtime.errors import (
    DigestMissing,
    InvalidArgument,
    SourceNotFound,
    SourceUnauthorized,
    SourceUnreachable,
)
from model_runtime.fetch.http import bearer, make_client, open_range, status_error
from model_runtime.fetch.hub_client import hub_unreachable, make_hub_client
from model_runtime.fetch.source import Answer, Listing
from model_runtime.manifest import FileEntry, Manifest
from model_runtime.selection import select

# The library would ask huggingface.co which agents there are and send what runs here, whatever hub a model names.
constants.HF_HUB_DISABLE_TELEMETRY = True


@contextmanager
def hub_listing(arguments: SourceArguments) -> Iterator[Listing]:
    """Give the listing of an `hf://` repository, at the commit that `--revision` (by default `main`) stands for."""
    repository = _repository(arguments.uri)
    endpoint = (arguments.endpoint or constants.ENDPOINT).rstrip("/")
    token = arguments.credential("token", endpoint)
    headers = bearer(token)
    info = _model_info(arguments, repository, endpoint, token)
    if not info.sha:
        raise SourceNotFound(f"{endpoint}/{repository}: the hub names no commit")
    commit = info.sha
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    manifest = Manifest.of(_entry(siblings[path]) for path in select(siblings, arguments.file))
    with make_client(arguments) as client:

        def open_file(entry: FileEntry, offset: int, length: int | None = None) -> AbstractContextManager[Answer]:
            url = hf_hub_url(repository, entry.path, revision=commit, endpoint=endpoint)
            return open_range(client, url, headers, offset, length)

        yield Listing(revision=commit, manifest=manifest, open=open_file)


def _repository(uri: str) -> str:
    parts = urlsplit(uri)
    name = f"{parts.netloc}{parts.path}".strip("/")
    if name.count("/") != 1:
        raise InvalidArgument(f"--uri {uri!r}: expected hf://organization/name")
    return name


def _model_info(arguments: SourceArguments, repository: str, endpoint: str, token: str | None) -> ModelInfo:
    what = f"{endpoint}/{repository} at {arguments.revision or 'main'}"
    # The hub's library would make a client of its own, which none of the rules hold for.
    set_client_factory(lambda: make_hub_client(arguments))
    # False, not None: None would take a token from the environment or from a file.
    api = HfApi(endpoint=endpoint, token=token or False)
    try:
        return api.model_info(
            repository, revision=arguments.revision, files_metadata=True, timeout=arguments.limits.silence_seconds
        )
    except GatedRepoError as error:
        raise SourceUnauthorized(f"{what}: access must be granted on the hub, to the owner of the token") from error
    except RevisionNotFoundError as error:
        raise SourceNotFound(f"{what}: no such revision") from error
    except RepositoryNotFoundError as error:
        # The hub answers 401 for what is private and for what is not there, so that names stay secret.
        if error.response.status_code == httpx.codes.UNAUTHORIZED:
            raise SourceUnauthorized(f"{what}: no such repository, or one that needs a token") from error
        raise SourceNotFound(f"{what}: no such repository, or none that this token may read") from error
    except HfHubHTTPError as error:
        raise status_error(what, error.response.status_code, error.response.headers) from error
    except HFValidationError as error:
        raise InvalidArgument(f"--uri hf://{repository}: {error}") from error
    except httpx.InvalidURL as error:
        raise InvalidArgument(f"{what}: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # Whatever the library stumbles over while it reads the answer.
        raise SourceUnreachable(f"{what}: the answer describes no repository: {type(error).__name__}") from error
    except (httpx.HTTPError, OSError) as error:
        raise hub_unreachable(what, error) from error
    finally:
        close_session()


def _entry(sibling: RepoSibling) -> FileEntry:
    if sibling.size is None or not (sibling.lfs or sibling.blob_id):
        raise DigestMissing(f"{sibling.rfilename}: the hub states no digest for it")
    digest = f"sha256:{sibling.lfs.sha256}" if sibling.lfs else f"git-sha1:{sibling.blob_id}"
    return FileEntry(sibling.rfilename, sibling.size, digest)
