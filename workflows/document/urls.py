"""Parses URLs from documents, which may be malformed. Pure."""

from urllib.parse import SplitResult, urlsplit


def is_url(text: str) -> bool:
    """Return whether a URL can be parsed."""
    return _split(text) is not None


def is_https(url: str) -> bool:
    """Return whether a URL is https; True also for a malformed URL, which is reported as a separate problem."""
    found = _split(url)
    return found is None or found.scheme == "https"


def host_of(url: str) -> str:
    """Return the host of a URL in lower case; empty if the URL has none or is malformed."""
    found = _split(url)
    return (found.hostname if found is not None else None) or ""


def path_of(url: str) -> str:
    """Return the path of a URL as written; empty if the URL is malformed."""
    found = _split(url)
    return found.path if found is not None else ""


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:
        return None
