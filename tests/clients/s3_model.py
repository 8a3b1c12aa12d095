"""A small model of S3: what a bucket holds, and what each request answers to whoever asks.

It knows nothing of how anything is stored. The rules are those of the user guide ("Using S3
Versioning", "Working with delete markers", "Adding preconditions"); where Coffer's answer is another
one, docs/s3-compatibility.md says so. Names are ordered by their UTF-8 bytes.
"""

import base64
import hashlib
import zlib


class Refused(Exception):
    """The request is answered by this error."""

    def __init__(self, code, status):
        super().__init__(f"{code} {status}")
        self.code = code
        self.status = status


NO_KEY = Refused("NoSuchKey", 404)
NO_VERSION = Refused("NoSuchVersion", 404)
IS_MARKER = Refused("MethodNotAllowed", 405)
PRECONDITION = Refused("PreconditionFailed", 412)
NOT_MODIFIED = Refused("304", 304)
NO_RANGE = Refused("InvalidRange", 416)


class Version:
    """A version of a key, or a delete marker. `id` and `modified` are None until they are seen."""

    def __init__(self, id, body, told=None, etag=None):
        self.id = id
        self.body = body
        self.told = told or {}
        self.etag = etag or ("" if body is None else f'"{hashlib.md5(body).hexdigest()}"')
        self.modified = None
        self.of_parts = False

    @property
    def marker(self):
        return self.body is None

    def crc32(self):
        return base64.b64encode(zlib.crc32(self.body).to_bytes(4, "big")).decode()


def in_order(name):
    return name.encode()


class Bucket:
    """A bucket: its versioning, and of each key the versions, newest first."""

    def __init__(self, name):
        self.name = name
        self.versioning = None
        self.keys = {}
        self.gone = []

    def clone(self):
        copy = Bucket(self.name)
        copy.versioning = self.versioning
        copy.keys = {key: list(versions) for key, versions in self.keys.items()}
        copy.gone = list(self.gone)
        return copy

    # --- Changes ---

    def put(self, key, version, if_match=None, if_none_match=None):
        """Stores a version; it gets its id from the answer if versioning is enabled."""
        current = self.current(key)
        if if_none_match == "*" and current:
            raise PRECONDITION
        self.match(current, if_match)
        self.add(key, version)
        return version

    def delete(self, key, if_match=None):
        """Deletes a key; gives the marker, if one was made."""
        self.match(self.current(key), if_match)
        if self.versioning is None:
            self.remove(key, "null")
            return None
        marker = Version(None, None)
        self.add(key, marker)
        return marker

    def delete_version(self, key, id):
        """Deletes a version for ever; gives it, if it was there."""
        return self.remove(key, id)

    def match(self, current, tag):
        if tag is None:
            return
        if current is None:
            raise NO_KEY
        if tag not in ("*", current.etag):
            raise PRECONDITION

    def add(self, key, version):
        if self.versioning != "Enabled":
            self.remove(key, "null")
            version.id = "null"
        self.keys.setdefault(key, []).insert(0, version)

    def remove(self, key, id):
        versions = self.keys.get(key, [])
        found = next((version for version in versions if version.id == id), None)
        if found:
            versions.remove(found)
            if id != "null":
                self.gone.append((key, id))
        if not versions:
            self.keys.pop(key, None)
        return found

    # --- Reads ---

    def current(self, key):
        """The newest version, unless it is a delete marker."""
        newest = self.keys.get(key, [None])[0]
        return None if newest is None or newest.marker else newest

    def find(self, key, id=None):
        """What a read of the key, or of a version, finds."""
        if id is None:
            if current := self.current(key):
                return current
            raise NO_KEY
        for version in self.keys.get(key, []):
            if version.id == id:
                if version.marker:
                    raise IS_MARKER
                return version
        raise NO_VERSION

    def read(self, key, id=None, if_match=None, if_none_match=None):
        version = self.find(key, id)
        if if_match not in (None, "*", version.etag):
            raise PRECONDITION
        if if_none_match in ("*", version.etag):
            raise NOT_MODIFIED
        return version

    def objects(self, prefix, delimiter, after):
        """A listing of objects: (name, version), or (common prefix, None)."""
        rows = [(key, self.current(key)) for key in sorted(self.keys, key=in_order)]
        rows = [(key, version) for key, version in rows if version and key > (after or "")]
        return fold(rows, prefix, delimiter, after)

    def versions(self, prefix, delimiter, key_marker):
        """A listing of versions: (key, (version, whether newest)), or (common prefix, None)."""
        rows = [
            (key, (version, version is self.keys[key][0]))
            for key in sorted(self.keys, key=in_order)
            if key > (key_marker or "")
            for version in self.keys[key]
        ]
        return fold(rows, prefix, delimiter, key_marker)


def fold(rows, prefix, delimiter, after):
    """Only what has the prefix; what shares its name up to the delimiter behind it is one row. A
    listing that goes on behind a common prefix shows nothing below it."""
    folded = []
    for key, row in rows:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            folded.append((key, row))
            continue
        common = key[: at + len(delimiter)]
        if common != after and (common, None) not in folded[-1:]:
            folded.append((common, None))
    return folded


def extent(range, size):
    """The bytes that a range (first, last), (first, None) or (None, count) gives: first and end."""
    first, last = range
    if first is None:
        first, end = max(0, size - last), size
    else:
        end = size if last is None else min(last + 1, size)
    if first >= size or first >= end:
        raise NO_RANGE
    return first, end
