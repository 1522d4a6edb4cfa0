"""The function that claims requests, as the revision of the queue makes it.

In the database because a choice takes a few small look-ups, which would each be a round trip; and because there it says
how they are looked up: a plan that was made while the table was small would read all of it once 100,000 rows wait. A
later change is a revision of its own.
"""

from __future__ import annotations

from typing import Final

_WAITS: Final = "q.status IN ('pending', 'retry') AND q.retry_at IS NULL"

CLAIM_FUNCTION: Final = f"""
CREATE FUNCTION claim_requests(worker text, duration interval, served uuid[], wanted integer)
RETURNS TABLE (row_id uuid, request_id uuid, lease uuid, user_id uuid, index_name text, search bytea,
               executions integer, accept_partial boolean, trace_id text, not_after timestamptz, priority smallint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    busy uuid[];
    level smallint;
    start uuid;
    place uuid;
    candidate uuid;
    wrapped boolean;
    running integer;
    fewest integer;
    chosen uuid;
    taken uuid;
BEGIN
    SELECT array_agg(q.user_id) INTO busy FROM incoming_requests q WHERE q.status = 'processing';
    WHILE wanted > 0 LOOP
        level := 32767;
        LOOP
            -- The highest priority that waits; a lower one only if others are just taking all that there is of it.
            SELECT q.priority INTO level FROM incoming_requests q
            WHERE {_WAITS} AND q.priority < level
            ORDER BY q.priority DESC LIMIT 1;
            IF NOT FOUND THEN
                RETURN;
            END IF;

            -- Round the circle of its users, from behind the one served last until one has nothing under way.
            start := served[level];
            place := start;
            wrapped := false;
            chosen := NULL;
            LOOP
                IF place IS NULL THEN
                    SELECT q.user_id INTO candidate FROM incoming_requests q
                    WHERE {_WAITS} AND q.priority = level
                    ORDER BY q.user_id LIMIT 1;
                ELSE
                    SELECT q.user_id INTO candidate FROM incoming_requests q
                    WHERE {_WAITS} AND q.priority = level AND q.user_id > place
                    ORDER BY q.user_id LIMIT 1;
                END IF;
                IF candidate IS NULL OR (wrapped AND candidate > start) THEN
                    EXIT WHEN wrapped OR start IS NULL;
                    wrapped := true;
                    place := NULL;
                    CONTINUE;
                END IF;
                running := coalesce(cardinality(array_positions(busy, candidate)), 0);
                IF chosen IS NULL OR running < fewest THEN
                    chosen := candidate;
                    fewest := running;
                END IF;
                EXIT WHEN running = 0;
                place := candidate;
            END LOOP;

            -- His oldest; if others are taking all that he has, the next in the circle.
            SELECT q.id, q.user_id INTO taken, candidate FROM incoming_requests q
            WHERE {_WAITS} AND q.priority = level AND q.user_id = chosen
            ORDER BY q.requested_at, q.id LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF NOT FOUND THEN
                SELECT q.id, q.user_id INTO taken, candidate FROM incoming_requests q
                WHERE {_WAITS} AND q.priority = level AND q.user_id > chosen
                ORDER BY q.user_id, q.requested_at, q.id LIMIT 1 FOR UPDATE SKIP LOCKED;
            END IF;
            IF NOT FOUND THEN
                SELECT q.id, q.user_id INTO taken, candidate FROM incoming_requests q
                WHERE {_WAITS} AND q.priority = level
                ORDER BY q.user_id, q.requested_at, q.id LIMIT 1 FOR UPDATE SKIP LOCKED;
            END IF;
            EXIT WHEN FOUND;
        END LOOP;

        -- A request that was started before is executed again, which is what its retries count.
        RETURN QUERY
        UPDATE incoming_requests r
        SET status = 'processing', assigned_worker = worker, lease_owner = gen_random_uuid(),
            lease_expires_at = now() + duration, retry_count = r.retry_count + (r.started_at IS NOT NULL)::int,
            started_at = now()
        WHERE r.id = taken
        RETURNING r.id, r.original_request_id, r.lease_owner, r.user_id, r.index_name::text, r.search,
                  r.retry_count + 1, r.accept_partial, r.trace_id::text, r.not_after, r.priority;
        busy := array_append(busy, candidate);
        served[level] := candidate;
        wanted := wanted - 1;
    END LOOP;
END
$$
"""  # noqa: S608 - the condition is a constant.
DROP_CLAIM_FUNCTION: Final = "DROP FUNCTION claim_requests(text, interval, uuid[], integer)"
