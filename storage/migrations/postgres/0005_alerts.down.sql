DROP TABLE alert_changes, alert_deliveries, alerts;
