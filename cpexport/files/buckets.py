"""Lists and reads the objects of buckets (S3, Google Cloud, Azure) through the package obstore.

obstore takes credentials and endpoints from the environment, tries again what fails for a moment,
with pauses that grow (10 times within 3 minutes), and asks for listings page by page.
"""

import errno
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cpexport.errors import UsageError
from cpexport.files.explained import ExplainedError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES: Final = ("s3", "gs", "az")
"""What begins the URLs of buckets."""

_PAGE: Final = 1000
# Of all answers, obstore does not ask again for a page that is cut off in the middle.
_TRIES: Final = 5
# A request reads some megabytes at most.
_CLIENT: Final = {"timeout": "120s", "connect_timeout": "10s", "allow_http": True}
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CUT: Final = "response body error"
_GENERIC: Final = re.compile(r"^Generic \w+ error: ")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_CREDENTIALS: Final = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a public bucket, "
    "set AWS_SKIP_SIGNATURE=true",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS; for a public bucket, set GOOGLE_SKIP_SIGNATURE=true",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY; for a public container, "
    "set AZURE_SKIP_SIGNATURE=true",
}


class BucketError(ExplainedError):
    """A bucket, or an object in it, cannot be read."""


class MissingObjectError(BucketError, FileNotFoundError):
    """An object or a bucket does not exist."""

    NUMBER = errno.ENOENT


class BrokenOffError(BucketError):
    """An answer is cut off in the middle, and may not be the next time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a bucket says about an object: bytes, time in nanoseconds, and a tag of its content.

    The tag (ETag) is another one whenever the content is, although not only then.
    """

    size: int
    modified: int
    tag: str


@cache
def bucket(scheme: str, name: str) -> "Bucket":
    """The bucket of a URL such as `s3://name`; the same for all threads of a process."""
    return Bucket(scheme, name)


class Bucket:
    """One bucket, or container of Azure.

    Raises:
        UsageError: obstore is not installed, or the environment has settings that make no sense.
    """

    def __init__(self, scheme: str, name: str) -> None:
        self._scheme, self._url = scheme, f"{scheme}://{name}"
        self._store = _store(scheme, name)

    def pages(self, prefix: str) -> Iterator[list[tuple[str, Entry]]]:
        """Yields all objects below a prefix, which is a whole path, page by page.

        Raises:
            BucketError: the bucket cannot be listed.
        """
        import obstore

        last, failed = "", 0
        while True:
            try:
                with self._errors(""):
                    pages = obstore.list(
                        self._store, prefix or None, offset=last or None, chunk_size=_PAGE
                    )
                    for page in pages:
                        yield [(each["path"], _entry(each)) for each in page]
                        last, failed = page[-1]["path"], 0
                return
            except BrokenOffError:
                failed += 1
                if failed == _TRIES:
                    raise
                time.sleep(2**failed / 10)

    def entry(self, key: str) -> Entry:
        """What is known of one object.

        Raises:
            BucketError: the object does not exist, or cannot be read.
        """
        import obstore

        with self._errors(key):
            return _entry(obstore.head(self._store, key))

    def read(self, key: str, start: int, stop: int, tag: str) -> bytes:
        """The bytes of an object from `start` to `stop`, if its tag is still this.

        Raises:
            BucketError: the object was replaced or deleted, or cannot be read.
        """
        import obstore

        options: Any = {"range": (start, stop)}
        # A weak tag matches nothing (RFC 9110, 13.1.1).
        if tag and not tag.startswith("W/"):
            options["if_match"] = tag
        with self._errors(key):
            content = bytes(obstore.get(self._store, key, options=options).bytes())
        if len(content) != stop - start:
            problem = f"only {len(content)} of {stop - start} bytes came"
            raise BucketError(self._named(key), problem, _AGAIN)
        return content

    def _named(self, key: str) -> str:
        return f"{self._url}/{key}" if key else self._url

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turns the errors of obstore into one that says what is wrong, and what to do."""
        from obstore import exceptions

        try:
            yield
        except (exceptions.BaseError, FileNotFoundError, ValueError) as error:
            raise self._explained(key, error) from error

    def _explained(self, key: str, error: Exception) -> BucketError:
        """An error of obstore as one that says what is wrong, and what to do."""
        from obstore import exceptions

        named, text = self._named(key), str(error)
        advice = f"set {_CREDENTIALS[self._scheme]}"
        status = found[1] if (found := _STATUS.search(text)) else ""
        code = found[1] if (found := _CODE.search(text)) else ""
        if code in ("NoSuchBucket", "ContainerNotFound"):
            problem = f"the bucket {self._url} does not exist"
            return MissingObjectError(named, problem, "check its name")
        if isinstance(error, FileNotFoundError):
            return MissingObjectError(named, "does not exist", "check the path")
        if isinstance(error, exceptions.PreconditionError):
            return BucketError(named, "was replaced after it was listed", "run the command again")
        if "169.254.169.254" in text or "credential" in text.lower():
            return BucketError(named, "no credentials were found", advice)
        denied = exceptions.PermissionDeniedError, exceptions.UnauthenticatedError
        if isinstance(error, denied) or status in ("401", "403"):
            return BucketError(named, f"access is denied ({code or status})", advice)
        if status in ("301", "307", "308") or "redirect" in text:
            problem = f"the bucket {self._url} is in another region"
            return BucketError(named, problem, "set AWS_REGION to the region of the bucket")
        if isinstance(error, exceptions.InvalidPathError | ValueError):
            what = text.split("\n")[0].removeprefix("Encountered object with invalid path: ")
            problem = f"has an object whose name cannot be read: {what}"
            return BucketError(named, problem, "rename it, or name a folder without it")
        why = f"the server answers {status}" if status else _last(text)
        if _CUT in text:
            return BrokenOffError(named, f"cannot be read: {why}", _AGAIN)
        return BucketError(named, f"cannot be read: {why}", _AGAIN)


_AGAIN: Final = "check the network and the server, and run the command again"


def _last(text: str) -> str:
    """What an error says at the end of its first line, without the addresses before it."""
    return text.split("\n")[0].rpartition(" - ")[2].strip()


def _entry(meta: Any) -> Entry:
    modified = int(meta["last_modified"].timestamp() * 1000) * 1_000_000
    return Entry(meta["size"], modified, meta["e_tag"] or "")


def _store(scheme: str, name: str) -> "ObjectStore":
    try:
        from obstore import exceptions
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError as error:
        raise UsageError(
            f"{scheme}://{name} needs the package obstore; install it with: "
            "pip install 'cpexport[cloud]'"
        ) from error
    from cpexport.files import aws_profile

    client: Any = _CLIENT
    try:
        if scheme == "gs":
            return GCSStore(name, client_options=client)
        if scheme == "az":
            return AzureStore(name, client_options=client)
        return S3Store(name, client_options=client, **aws_profile.settings())
    except (exceptions.BaseError, ValueError) as error:
        problem = _GENERIC.sub("", str(error).split("\n")[0])
        raise UsageError(
            f"{scheme}://{name} cannot be opened: {problem}; set {_CREDENTIALS[scheme]}"
        ) from error
