"""A seal: the digest of a small record inside the record itself, so that one changed byte of it is noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from storage.digest import sha256_value

_SEAL = "seal"


def sealed(body: Mapping[str, Any]) -> bytes:
    """`body` and its seal as the JSON of a file; equal bodies give equal bytes."""
    return json.dumps({**body, _SEAL: sha256_value(dict(body))}, indent=1, sort_keys=True).encode()


def unsealed(data: bytes) -> dict[str, Any]:
    """The body in the bytes of a sealed file; ValueError if they are not as written."""
    body = json.loads(data)  # its errors are ValueErrors
    if not isinstance(body, dict) or body.pop(_SEAL, None) != sha256_value(body):
        raise ValueError("its contents differ from its seal")
    return body
