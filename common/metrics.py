"""The Prometheus metrics of both services, one registry a process. Alert rules and dashboards rely on the names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUEST_DURATION = Histogram(
    "airlock_request_duration_seconds", "Seconds that a call took.", ["method"], buckets=_SECONDS, registry=REGISTRY
)
REQUEST_TOTAL = Counter("airlock_request_total", "Calls by method and status.", ["method", "status"], registry=REGISTRY)
REQUEST_ERRORS_TOTAL = Counter(
    "airlock_request_errors_total", "Failed calls by method and reason.", ["method", "reason"], registry=REGISTRY
)
TASKS_TOTAL = Counter("airlock_taskiq_tasks_total", "Runs of jobs by outcome.", ["job", "outcome"], registry=REGISTRY)
TASK_DURATION = Histogram(
    "airlock_taskiq_task_duration_seconds",
    "Seconds that a run of a job took.",
    ["job"],
    buckets=(*_SECONDS, 60.0, 300.0, 900.0),
    registry=REGISTRY,
)
QUERY_DURATION = Histogram(
    "airlock_elasticsearch_query_duration",
    "Seconds that the search engine took for a query.",
    ["query_type"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
CACHE_LOOKUPS = Counter(
    "airlock_cache_lookups_total",
    "Look-ups in a cache by outcome: hit, miss, joined (another's execution is waited for) or away.",
    ["cache", "outcome"],
    registry=REGISTRY,
)
CACHE_HIT_RATIO = Gauge(
    "airlock_cache_hit_ratio",
    "Which part of this process's last 1000 look-ups in a cache were hits or joined; absent before the first.",
    ["cache"],
    registry=REGISTRY,
)
EXPORT_BATCH_SIZE = Histogram(
    "airlock_export_batch_size",
    "Records in a sealed bundle.",
    ["kind"],
    buckets=(0, 1, 5, 10, 50, 100, 250, 500, 1000, 10_000, 100_000),
    registry=REGISTRY,
)
AUDIT_REFUSALS_NOT_KEPT = Counter(
    "airlock_audit_refusals_not_kept_total", "Refused calls that the audit trail only counted.", registry=REGISTRY
)
AUDIT_MISMATCHES = Counter(
    "airlock_audit_mismatches_total",
    "Times that an audit chain did not match: a segment its rows, or a chain what was witnessed of it.",
    ["chain"],
    registry=REGISTRY,
)
LAST_RECEIVED = Gauge(
    "airlock_bundle_last_received_timestamp_seconds",
    "When the last bundle of a kind was applied; absent when none ever was.",
    ["kind"],
    registry=REGISTRY,
)
RATE_LIMIT_TOTAL = Counter(
    "airlock_rate_limit_decisions_total",
    "Calls held against a user's limits, by budget and outcome: allowed, warned, soft (above a soft limit) or refused.",
    ["budget", "outcome"],
    registry=REGISTRY,
)
RATE_LIMIT_LOCAL = Counter(
    "airlock_rate_limit_local_decisions_total",
    "Decisions that a process took by itself because Redis was away.",
    ["budget"],
    registry=REGISTRY,
)
RATE_LIMIT_REDIS_AWAY = Gauge(
    "airlock_rate_limit_redis_away", "1 while this process decides about limits without Redis.", registry=REGISTRY
)
ENGINE_CIRCUIT = Gauge(
    "airlock_search_engine_circuit",
    "How this worker process treats the search engine: 0 as usual (closed), 1 with fewer searches at once (slowed),"
    " 2 with one search to try (half open), 3 not at all (open).",
    registry=REGISTRY,
)
