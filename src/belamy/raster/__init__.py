"""One picture file in and one out, of 8 or 16 bits and any bands; orientation, EXIF and colour profile are kept."""

from belamy.raster.picture import Raster
from belamy.raster.reading import MEGAPIXELS, read
from belamy.raster.writing import SUFFIXES, write

__all__ = ["MEGAPIXELS", "SUFFIXES", "Raster", "read", "write"]
