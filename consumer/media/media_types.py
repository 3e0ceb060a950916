"""Media types: by a file's content, never by its name or by what a server says of it. Pure."""

from enum import StrEnum
from typing import Final

_HEAD: Final = 4096
_XML_LEAD: Final = b"\xef\xbb\xbf \t\r\n"


class MediaType(StrEnum):
    """The types that are read, by their official names."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    GIF = "image/gif"
    WEBP = "image/webp"
    AVIF = "image/avif"
    SVG = "image/svg+xml"
    WAV = "audio/wav"
    MP3 = "audio/mpeg"
    OGG = "audio/ogg"
    FLAC = "audio/flac"
    M4A = "audio/mp4"
    AAC = "audio/aac"

    @property
    def is_image(self) -> bool:
        """Whether it is an image; otherwise it is sound."""
        return self.startswith("image/")


_OTHER_NAMES: Final = {
    "image/jpg": MediaType.JPEG,
    "image/pjpeg": MediaType.JPEG,
    "image/x-png": MediaType.PNG,
    "image/apng": MediaType.PNG,
    "image/svg": MediaType.SVG,
    "audio/wave": MediaType.WAV,
    "audio/x-wav": MediaType.WAV,
    "audio/vnd.wave": MediaType.WAV,
    "audio/mp3": MediaType.MP3,
    "audio/x-mp3": MediaType.MP3,
    "audio/mpeg3": MediaType.MP3,
    "audio/opus": MediaType.OGG,
    "audio/vorbis": MediaType.OGG,
    "application/ogg": MediaType.OGG,
    "audio/x-flac": MediaType.FLAC,
    "audio/m4a": MediaType.M4A,
    "audio/x-m4a": MediaType.M4A,
    "audio/aacp": MediaType.AAC,
    "audio/x-aac": MediaType.AAC,
}
_SOUND_BRANDS: Final = frozenset(
    {b"M4A ", b"M4B ", b"mp41", b"mp42", b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"dash"}
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})


def media_type_named(name: str) -> MediaType | None:
    """Return the type that a media type's name means, its parameters and usual misnomers included; None if unknown."""
    plain = name.partition(";")[0].strip().lower()
    try:
        return MediaType(plain)
    except ValueError:
        return _OTHER_NAMES.get(plain)


def media_type_of(content: bytes) -> MediaType | None:
    """Return the type that a file's first bytes say it is, or None."""
    for begin, found in _MAGIC:
        if content.startswith(begin):
            return found
    match content[:4], content[8:12]:
        case b"RIFF", b"WEBP":
            return MediaType.WEBP
        case ((b"RIFF" | b"RF64" | b"BW64"), b"WAVE"):
            return MediaType.WAV
    if content[4:8] == b"ftyp":
        return _by_brands(content)
    return _by_sync(content) or _vector(content)


_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", MediaType.PNG),
    (b"\xff\xd8\xff", MediaType.JPEG),
    (b"GIF87a", MediaType.GIF),
    (b"GIF89a", MediaType.GIF),
    (b"OggS", MediaType.OGG),
    (b"fLaC", MediaType.FLAC),
    (b"ID3", MediaType.MP3),
)


def _by_brands(content: bytes) -> MediaType | None:
    """Tell AVIF from sound by the brands of an ISO container."""
    end = min(int.from_bytes(content[:4]), len(content), _HEAD)
    brands = {content[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    if brands & _AVIF_BRANDS:
        return MediaType.AVIF
    return MediaType.M4A if brands & _SOUND_BRANDS else None


def _by_sync(content: bytes) -> MediaType | None:
    """Tell MPEG audio from ADTS by the header of its first frame."""
    if len(content) < 4 or content[0] != 0xFF or content[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - the sync word
        return None
    if content[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - twelve bits of sync, and layer 0
        return MediaType.AAC
    version, layer, rate = content[1] >> 3 & 3, content[1] >> 1 & 3, content[2] >> 2 & 3
    return MediaType.MP3 if version != 1 and layer and rate != 3 else None  # noqa: PLR2004 - reserved


def _vector(content: bytes) -> MediaType | None:
    """Recognise SVG: text whose first element is `svg`; whether it is well-formed is for its parser to say."""
    head = content[:_HEAD].lstrip(_XML_LEAD)
    while head[:2] in (b"<?", b"<!"):
        end = b"-->" if head.startswith(b"<!--") else b">"
        _, found, head = head.partition(end)
        if not found:
            return None
        head = head.lstrip(_XML_LEAD)
    return MediaType.SVG if head[:4] == b"<svg" and head[4:5] in (b" ", b">", b"\t", b"\r", b"\n", b"/") else None
