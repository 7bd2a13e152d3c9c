"""Programs that run inside a container, under the image's own Python and nothing but its standard library.

Their source is handed to ``python -c``; one line that they print is their answer,
as JSON after a mark and the word that ``SEKISHO_WORD`` holds.
"""
