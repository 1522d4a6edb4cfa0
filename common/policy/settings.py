"""The settings of both networks that an admin may change while everything runs: their types, bounds and defaults.

Whatever one host alone must know (addresses, secrets, folders) is told by the environment; see `common.settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.errors import FieldViolation, InvalidFieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

SettingValue = bool | int


@dataclass(frozen=True, slots=True)
class SettingDefinition:
    """One setting. A whole number stays between `least` and `most`; a default that is true or false has neither."""

    key: str
    default: SettingValue
    description: str
    least: int = 0
    most: int = 0

    @property
    def is_switch(self) -> bool:
        """Whether it is either on or off."""
        return isinstance(self.default, bool)

    @property
    def allowed(self) -> str:
        """Its values, for people."""
        return "true or false" if self.is_switch else f"a whole number from {self.least} to {self.most}"

    def accepts(self, value: object) -> bool:
        """Whether `value` is of its type and within its bounds."""
        if self.is_switch:
            return isinstance(value, bool)
        return isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most


_DEFINITIONS: Final = (
    SettingDefinition("query.max_depth", 10, "How deep clauses may be nested.", 1, 50),
    SettingDefinition("query.max_clauses", 256, "How many query clauses one search may hold.", 1, 4096),
    SettingDefinition("query.max_string_length", 8192, "Characters of one text in a search.", 1, 32_768),
    SettingDefinition("query.max_pattern_length", 256, "Characters of one prefix or wildcard pattern.", 1, 1024),
    SettingDefinition("query.max_wildcards", 16, "How many * and ? one pattern may have.", 0, 64),
    SettingDefinition("query.allow_leading_wildcard", True, "Whether a pattern may begin with a wildcard."),
    SettingDefinition(
        "query.max_values", 1024, "Values of one terms or ids clause, or of include and exclude.", 1, 1024
    ),
    SettingDefinition("query.max_fields", 64, "Fields of one multi_match.", 1, 64),
    SettingDefinition("query.max_expansions", 1024, "Terms that one fuzzy clause may try; 50 if unsaid.", 1, 1024),
    SettingDefinition("query.max_slop", 100, "How far apart the words of a phrase may be.", 0, 100),
    SettingDefinition("query.max_aggregation_depth", 4, "How deep aggregations may be nested.", 1, 10),
    SettingDefinition("query.max_aggregations", 32, "How many aggregations one search may hold.", 1, 256),
    SettingDefinition("query.max_buckets", 10_000, "Buckets that the aggregations of a search may make.", 1, 65_536),
    SettingDefinition("query.max_ranges", 256, "Ranges of one range or date_range aggregation.", 1, 256),
    SettingDefinition("query.max_filters", 256, "Queries of one filters aggregation.", 1, 256),
    SettingDefinition("query.max_percents", 64, "Percents of one percentiles aggregation.", 1, 64),
    SettingDefinition("query.max_compression", 1000, "Memory of one percentiles; 100 is usual.", 100, 1000),
    SettingDefinition("query.max_precision_threshold", 40_000, "Memory of one cardinality.", 0, 40_000),
    SettingDefinition("query.max_size", 1000, "Hits that one search may ask for.", 0, 1000),
    SettingDefinition("query.max_window", 10_000, "How far from + size may reach.", 1, 10_000),
    SettingDefinition("query.max_sort_keys", 16, "Keys by which one search may sort.", 0, 16),
    SettingDefinition("query.max_source_patterns", 128, "Names in the includes or excludes of _source.", 0, 128),
    SettingDefinition("query.max_highlight_fields", 64, "Fields that one search may highlight.", 0, 64),
    SettingDefinition("query.max_fragments", 100, "Fragments of one highlighted field.", 0, 100),
    SettingDefinition("rate.warning_percent", 80, "From which part of a limit on answers carry a warning.", 1, 100),
    SettingDefinition("rate.soft_percent", 120, "How far a soft profile type may go beyond its limits.", 100, 1000),
    SettingDefinition("rate.reads_per_submission", 10, "Other calls a minute for each submission a minute.", 1, 1000),
    SettingDefinition("sign_in.free_attempts_per_name", 5, "Failed sign-ins of one name before each waits.", 1, 1000),
    SettingDefinition("sign_in.free_attempts_per_address", 50, "The same from one address.", 1, 100_000),
    SettingDefinition(
        "sign_in.first_delay_seconds", 1, "How long the first one waits; every next twice as long.", 1, 60
    ),
    SettingDefinition("sign_in.longest_delay_seconds", 900, "How long one waits at most.", 1, 86_400),
    SettingDefinition("sign_in.window_minutes", 15, "How long failed sign-ins are counted together.", 1, 1440),
    SettingDefinition("api_keys.longest_life_days", 365, "Days that a new key may live.", 1, 3650),
    SettingDefinition("api_keys.warning_days", 14, "How long before its end a key is warned of.", 0, 365),
    SettingDefinition("api_keys.longest_overlap_hours", 168, "Hours that a rotated key may live on.", 0, 8760),
    SettingDefinition("api_keys.most_per_user", 10, "Living keys that one user may have.", 1, 1000),
    SettingDefinition(
        "replica_age.warn_hours", 168, "Age of the replicated users that is warned of; 0 is never.", 0, 87_600
    ),
    SettingDefinition(
        "replica_age.no_new_sessions_hours", 720, "From which age nobody can sign in; 0 is never.", 0, 87_600
    ),
    SettingDefinition(
        "replica_age.lock_hours", 0, "From which age users and programs are shut out; 0 is never.", 0, 87_600
    ),
)
SETTINGS: Final[Mapping[str, SettingDefinition]] = {definition.key: definition for definition in _DEFINITIONS}
"""Every setting there is, by key."""


def check_setting(key: str, value: object) -> SettingDefinition:
    """The setting's definition. Raises InvalidFieldError for an unknown key, and for a value that it does not take."""
    definition = SETTINGS.get(key)
    if definition is None:
        cause = f"is no setting; there are {', '.join(SETTINGS)}"
        raise InvalidFieldError(f"{key[:100]} {cause}.", violations=[FieldViolation("key", cause)])
    if not definition.accepts(value):
        cause = f"must be {definition.allowed}"
        raise InvalidFieldError(f"{key} {cause}.", violations=[FieldViolation("value", cause)])
    return definition
