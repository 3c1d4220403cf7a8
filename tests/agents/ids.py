"""Ids that a test can tell apart at a glance."""

AT = 1_772_443_800_000


def id_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"
