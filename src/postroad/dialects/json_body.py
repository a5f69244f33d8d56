"""Events as JSON octets, whatever strangers wrote into them."""

import msgspec

_encode = msgspec.json.Encoder().encode


def json_body(value: object) -> bytes:
    """Return a value as JSON in UTF-8; half a surrogate pair, which UTF-8 does not have, becomes a question mark."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_encodable(msgspec.to_builtins(value)))


def _encodable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_encodable(name): _encodable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_encodable(inner) for inner in value]
    return value
