"""The doors: what each kind of client and each room of Sekisho asks for."""
