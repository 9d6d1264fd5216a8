CREATE SCHEMA analytics;

-- Passes by hour. hour: its beginning. passes: all of them. with_plate: those with a plate, of whatever
-- outcome. confidence_sum: over those; the mean is confidence_sum / with_plate.
CREATE MATERIALIZED VIEW analytics.passes_by_hour AS
SELECT
    date_trunc('hour', best_seen_at, 'UTC') AS hour,
    site_id, camera_id, outcome,
    count(*) AS passes,
    count(plate) AS with_plate,
    coalesce(sum(confidence), 0) AS confidence_sum
FROM plate_events GROUP BY 1, 2, 3, 4;
CREATE UNIQUE INDEX passes_by_hour_key ON analytics.passes_by_hour (hour, camera_id, site_id, outcome);

-- Passes by day (UTC), with the same columns.
CREATE VIEW analytics.passes_by_day AS
SELECT
    date_trunc('day', hour, 'UTC') AS day,
    site_id, camera_id, outcome,
    sum(passes)::bigint AS passes,
    sum(with_plate)::bigint AS with_plate,
    sum(confidence_sum) AS confidence_sum
FROM analytics.passes_by_hour GROUP BY 1, 2, 3, 4;

-- Counts anew; one at a time, the others leave it to that one.
CREATE FUNCTION plate_events_refresh() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF pg_try_advisory_xact_lock(hashtext('plate_events refresh')) THEN
        REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.passes_by_hour;
    END IF;
END $$;

REVOKE ALL ON FUNCTION plate_events_refresh FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plate_events_refresh TO ovr_writer;
