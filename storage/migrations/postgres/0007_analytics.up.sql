-- What dashboards may see: counts, and passes whose plates are pseudonyms. All beside passes_by_hour and
-- passes_by_day of the migration before.

-- Two halves of the secret that makes pseudonyms; only the views below read it. Whoever has it can tell
-- whether a plate passed. Deleting the row and inserting another breaks the tie between old and new.
CREATE TABLE analytics.secret (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    inner_key bytea NOT NULL,
    outer_key bytea NOT NULL
);
INSERT INTO analytics.secret (inner_key, outer_key) VALUES (
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);

-- A row a pass. plate_pseudonym: the same for the same text, 64 bits in hexadecimal; NULL without a plate.
CREATE VIEW analytics.passes AS
SELECT
    best_seen_at, site_id, camera_id, outcome, region, confidence, vehicle,
    left(encode(sha256(outer_key || sha256(inner_key || convert_to(plate, 'UTF8'))), 'hex'), 16)
        AS plate_pseudonym
FROM plate_events CROSS JOIN analytics.secret;

-- A row a camera and day (UTC). read: passes with the outcome read. read_rate: read / passes, 0 to 1; passes
-- without a plate count as passes.
CREATE VIEW analytics.read_rate AS
SELECT
    day, site_id, camera_id,
    sum(passes)::bigint AS passes,
    coalesce(sum(passes) FILTER (WHERE outcome = 'read'), 0)::bigint AS read,
    coalesce(sum(passes) FILTER (WHERE outcome = 'read'), 0)::double precision / sum(passes)::double precision
        AS read_rate
FROM analytics.passes_by_day GROUP BY day, site_id, camera_id;

-- The plates read in the last thirty days. cameras: how many cameras saw it.
CREATE VIEW analytics.top_plates AS
SELECT
    left(encode(sha256(outer_key || sha256(inner_key || convert_to(plate, 'UTF8'))), 'hex'), 16)
        AS plate_pseudonym,
    region, passes, cameras, first_seen_at, last_seen_at
FROM (
    SELECT
        plate, min(region) AS region, count(*) AS passes, count(DISTINCT camera_id) AS cameras,
        min(best_seen_at) AS first_seen_at, max(best_seen_at) AS last_seen_at
    FROM plate_events
    WHERE best_seen_at >= now() - interval '30 days' AND outcome = 'read' AND plate IS NOT NULL
    GROUP BY plate
) AS counted CROSS JOIN analytics.secret;

-- A row a day (UTC) and rule. severity: info, warning or critical. acknowledged: those somebody has seen.
CREATE VIEW analytics.alerts_by_day AS
SELECT
    date_trunc('day', fired_at, 'UTC') AS day, rule_id,
    CASE severity WHEN 1 THEN 'info' WHEN 2 THEN 'warning' ELSE 'critical' END AS severity,
    count(*) AS alerts,
    count(acknowledged_at) AS acknowledged
FROM alerts GROUP BY 1, 2, 3;

GRANT USAGE ON SCHEMA analytics TO ovr_metabase;
GRANT SELECT ON
    analytics.passes_by_hour, analytics.passes_by_day, analytics.passes, analytics.read_rate,
    analytics.top_plates, analytics.alerts_by_day
TO ovr_metabase;
