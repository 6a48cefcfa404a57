"""Taking URLs apart that anybody may have written. Pure."""

from urllib.parse import SplitResult, urlsplit


def is_url(text: str) -> bool:
    """Tell whether a URL can be taken apart."""
    return _split(text) is not None


def is_https(url: str) -> bool:
    """Tell whether a URL is https; one that cannot be read is wrong in another way, and told of there."""
    found = _split(url)
    return found is None or found.scheme == "https"


def host_of(url: str) -> str:
    """Return the host of a URL in small letters; nothing where there is none."""
    found = _split(url)
    return (found.hostname if found is not None else None) or ""


def path_of(url: str) -> str:
    """Return the path of a URL as it is written; nothing where it cannot be read."""
    found = _split(url)
    return found.path if found is not None else ""


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:
        return None
