"""The names that a request was made under, as its Host header says them."""

from postroad.net.address import parse_address

# RFC 6761, RFC 6762 and RFC 9476 keep these from the public DNS.
_LOCAL_ENDINGS = (".localhost", ".local", ".test", ".internal", ".home.arpa", ".alt")


def is_local_name(host: str) -> bool:
    """Whether the value of a Host header is an address, or a name that is not of the public DNS."""
    name = name_of(host)
    return "." not in name or name.endswith(_LOCAL_ENDINGS) or parse_address(name) is not None


def name_of(host: str) -> str:
    """Return the name or address of a Host header, without its port, in lower case."""
    name = host.removesuffix(".").lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].removesuffix(".")
