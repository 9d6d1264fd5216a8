DROP VIEW analytics.alerts_by_day, analytics.top_plates, analytics.read_rate, analytics.passes;
DROP TABLE analytics.secret;
REVOKE ALL ON SCHEMA analytics FROM ovr_metabase;
REVOKE ALL ON analytics.passes_by_hour, analytics.passes_by_day FROM ovr_metabase;
