"""What to do now when a source fails: the same words wherever that shows."""

LATER = "try again later; what is already here goes on being served"
TAMPERED = "nothing was kept; ask the source's operator, or look for tampering on the way"
GONE = "ask the source's operator where it went; what is already here goes on being served"
