"""Reads the settings of an AWS profile: the files that `aws configure` writes.

obstore reads the environment alone. The environment comes first, as in AWS's own programs
(docs.aws.amazon.com/sdkref, "Shared config and credentials files").
"""

import os
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ParsingError
from pathlib import Path
from typing import Any, Final

from cpexport.errors import UsageError
from cpexport.files.opening import read_text

_KEYS: Final = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
# Each is another way to get keys, which only AWS's own package knows.
_OTHER: Final = ("sso_session", "sso_start_url", "role_arn", "credential_process", "login_session")
_ELSEWHERE: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def settings(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The arguments for obstore's `S3Store` from the profile, as far as the environment lacks them.

    Raises:
        UsageError: AWS_PROFILE is not in the files, or needs a package that is not installed.
    """
    name = environment.get("AWS_PROFILE", "")
    profile = _profile(environment, name or "default")
    if name and not profile:
        raise UsageError(f"the AWS profile {name} is not in ~/.aws/config or ~/.aws/credentials")
    found: dict[str, Any] = {}
    regional = ("AWS_REGION", "AWS_DEFAULT_REGION")
    if not any(map(environment.get, regional)) and (region := profile.get("region")):
        found["region"] = region
    named = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
    if not any(map(environment.get, named)) and (endpoint := profile.get("endpoint_url")):
        found["endpoint"] = endpoint
    if any(map(environment.get, _ELSEWHERE)):
        return found
    if "aws_access_key_id" in profile:
        found |= {ours: profile[key] for key, ours in _KEYS.items() if key in profile}
    elif any(key in profile for key in _OTHER):
        found["credential_provider"] = _provider(name or "default")
    return found


def _profile(environment: Mapping[str, str], name: str) -> dict[str, str]:
    home = Path(environment.get("HOME") or "~").expanduser() / ".aws"
    found: dict[str, str] = {}
    for variable, file, section in (
        ("AWS_CONFIG_FILE", "config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name),
    ):
        path = Path(environment.get(variable) or home / file).expanduser()
        parser = ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(read_text(path))
        except FileNotFoundError:
            continue
        except (OSError, ParsingError) as error:
            raise UsageError(f"{path}: cannot be read as a file of AWS profiles") from error
        if parser.has_section(section):
            found |= dict(parser[section])
    return found


def _provider(name: str) -> Any:
    try:
        from boto3 import Session
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise UsageError(
            f"the AWS profile {name} needs the package boto3; install it with: pip install boto3"
        ) from error
    return Boto3CredentialProvider(Session(profile_name=name))
