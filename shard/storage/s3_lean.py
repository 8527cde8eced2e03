"""PUT with what obstore has no word for (ACLs), at half of boto3's CPU time a request.

boto3's credentials, signer and connections, without its generic machinery: no parameter
validation, no event handlers, and no waiting for the server's "100 Continue", which would cost
each object another round trip.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.storage.credentials import S3Access

_HEADERS = {
    "ContentType": "Content-Type",
    "ContentMD5": "Content-MD5",
    "CacheControl": "Cache-Control",
    "StorageClass": "x-amz-storage-class",
    "ACL": "x-amz-acl",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}
"""What put_object's arguments are on the wire."""

_TOLD = re.compile(r"<(Code|Message)>([^<]*)</")
_OK = range(200, 300)
_ELSEWHERE = (301, 307, 400)


def can_say(facts: Mapping[str, Any]) -> bool:
    """Tell whether all of put_object's arguments are known here; metadata are to be ASCII."""
    known = all(name in _HEADERS or name == "Metadata" for name in facts)
    return known and all(value.isascii() for value in facts.get("Metadata", {}).values())


def put(access: S3Access, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
    """Write the object in one request; tell whether that was possible.

    It is not where the bucket lies in another region: boto3 finds it. Raises botocore's
    ``ClientError`` and network errors.
    """
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    named = {_HEADERS[name]: value for name, value in facts.items() if name != "Metadata"}
    metadata = {f"x-amz-meta-{name}": value for name, value in facts["Metadata"].items()}
    client = access.client
    url = f"{client.meta.endpoint_url}/{bucket}/{quote(key, safe='/~')}"
    request = AWSRequest("PUT", url, headers={**named, **metadata}, data=data)
    if not access.anonymous:
        credentials = access.session.get_credentials().get_frozen_credentials()
        S3SigV4Auth(credentials, "s3", client.meta.region_name).add_auth(request)
    session = client._endpoint.http_session  # noqa: SLF001  # boto3's pool, certificates, time-outs
    answer = session.send(request.prepare())
    if answer.status_code in _ELSEWHERE:
        return False
    if answer.status_code not in _OK:
        raise _refusal(answer)
    return True


def _refusal(answer: Any) -> Exception:
    from botocore.exceptions import ClientError

    response: Any = {
        "Error": dict(_TOLD.findall(answer.text or "")),
        "ResponseMetadata": {"HTTPStatusCode": answer.status_code},
    }
    return ClientError(response, "PutObject")
