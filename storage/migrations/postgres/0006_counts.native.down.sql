DROP FUNCTION plate_events_refresh;
DROP VIEW analytics.passes_by_day;
DROP MATERIALIZED VIEW analytics.passes_by_hour;
DROP SCHEMA analytics;
