"""The exception family of this room. A message says what was wrong with which input and what to do."""


class WarehouseError(Exception):
    """Anything the warehouse refuses; the message is meant for the person at the terminal."""


class ServerError(WarehouseError):
    """The embedded server could not be set up, started or reached."""


class Busy(WarehouseError):
    """Another run holds the pipeline; nothing was done."""


class UnknownTenant(WarehouseError):
    """No tenant has this slug or external id."""


class VersionError(WarehouseError):
    """A weights version cannot be published or rolled back as asked."""
