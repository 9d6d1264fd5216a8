CREATE SCHEMA analytics;

-- Passes by hour. hour: its beginning. passes: all of them. with_plate: those with a plate, of whatever
-- outcome. confidence_sum: over those; the mean is confidence_sum / with_plate.
CREATE MATERIALIZED VIEW analytics.passes_by_hour
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    time_bucket(interval '1 hour', best_seen_at) AS hour,
    site_id, camera_id, outcome,
    count(*) AS passes,
    count(plate) AS with_plate,
    coalesce(sum(confidence), 0) AS confidence_sum
FROM plate_events GROUP BY 1, 2, 3, 4
WITH NO DATA;

-- Passes by day (UTC), with the same columns; made from the hours.
CREATE MATERIALIZED VIEW analytics.passes_by_day
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    time_bucket(interval '1 day', hour) AS day,
    site_id, camera_id, outcome,
    sum(passes)::bigint AS passes,
    sum(with_plate)::bigint AS with_plate,
    sum(confidence_sum) AS confidence_sum
FROM analytics.passes_by_hour GROUP BY 1, 2, 3, 4
WITH NO DATA;

-- What is not counted yet is added at the time of asking; these policies keep that little, and count late
-- events of the last month.
SELECT add_continuous_aggregate_policy(
    'analytics.passes_by_hour',
    start_offset => interval '31 days', end_offset => interval '1 hour', schedule_interval => interval '10 minutes'
);
SELECT add_continuous_aggregate_policy(
    'analytics.passes_by_day',
    start_offset => interval '32 days', end_offset => interval '1 day', schedule_interval => interval '1 hour'
);

-- The policies do it. Here so that the adapter need not know which of the two it has.
CREATE FUNCTION plate_events_refresh() RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS 'SELECT';

REVOKE ALL ON FUNCTION plate_events_refresh FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plate_events_refresh TO ovr_writer;
