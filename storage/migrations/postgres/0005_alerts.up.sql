CREATE TABLE alerts (
    alert_id uuid PRIMARY KEY,
    rule_id text COLLATE "C" NOT NULL,
    rule_name text NOT NULL,
    severity smallint NOT NULL,            -- 1 info, 2 warning, 3 critical
    matched text NOT NULL,                 -- the rule's entry that matched
    match_kind text NOT NULL,
    subject text COLLATE "C" NOT NULL,     -- the plate meant, for the cooldown
    seen_at timestamptz NOT NULL,          -- best_seen_at of the event
    fired_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    traceparent text NOT NULL,
    event bytea NOT NULL                   -- a serialised ovr.alpr.v1.PlateEvent
);
CREATE INDEX alerts_by_time ON alerts (fired_at, alert_id);
CREATE INDEX alerts_by_subject ON alerts (rule_id, subject, seen_at);

CREATE TABLE alert_deliveries (
    alert_id uuid NOT NULL REFERENCES alerts ON DELETE CASCADE,
    channel text COLLATE "C" NOT NULL,
    position integer NOT NULL,             -- order within the alert
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    last_attempt_at timestamptz,
    due_at timestamptz,                    -- when to try next; NULL once it is settled
    PRIMARY KEY (alert_id, channel)
);
CREATE INDEX alert_deliveries_by_due ON alert_deliveries (due_at) WHERE due_at IS NOT NULL;

-- What watchers have not been told of yet. Who writes here holds the lock of `alert_changes` until the
-- commit, so that changes become visible in the order of their numbers and none is forgotten unseen.
CREATE TABLE alert_changes (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id uuid NOT NULL REFERENCES alerts ON DELETE CASCADE
);
CREATE INDEX alert_changes_by_alert ON alert_changes (alert_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON alerts, alert_deliveries, alert_changes TO ovr_alert;
