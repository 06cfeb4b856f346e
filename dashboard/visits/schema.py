"""The projection's tables. They hold no card and no pass, only what stands for one."""

from __future__ import annotations

VERSION = 1
"""Of tables and of what is written to them: a file of another version is made anew from the log."""

TABLES = ("meta", "visits", "lines", "moments", "interactions", "seen_in", "people", "crossings", "reviews", "charges",
          "receipts", "refunds", "disputes")  # fmt: skip

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE visits (
  visit_id TEXT PRIMARY KEY, position INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, shopper TEXT NOT NULL,
  opened_at_ns INTEGER NOT NULL, party_size INTEGER NOT NULL, gate_id TEXT NOT NULL,
  left_at_ns INTEGER, final_at_ns INTEGER,
  reviews INTEGER NOT NULL DEFAULT 0, open_reviews INTEGER NOT NULL DEFAULT 0,
  charge TEXT NOT NULL DEFAULT '', total_minor INTEGER, currency TEXT,
  refunded_minor INTEGER, open_disputes INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL GENERATED ALWAYS AS (CASE
    WHEN open_disputes > 0 THEN 'disputed'
    WHEN open_reviews > 0 THEN 'in_review'
    WHEN refunded_minor IS NOT NULL THEN 'refunded'
    WHEN charge IN ('captured', 'void', 'waived') THEN 'charged'
    WHEN charge IN ('declined', 'needs_shopper') THEN 'unpaid'
    WHEN left_at_ns IS NOT NULL OR final_at_ns IS NOT NULL THEN 'closed'
    ELSE 'shopping' END) STORED
) WITHOUT ROWID;
CREATE INDEX visits_by_time ON visits (opened_at_ns, visit_id);
CREATE INDEX visits_by_state ON visits (state, opened_at_ns, visit_id);
CREATE INDEX visits_by_shopper ON visits (shopper, opened_at_ns, visit_id);
CREATE INDEX visits_by_position ON visits (position);
CREATE TABLE lines (visit_id TEXT, sku TEXT, quantity INTEGER NOT NULL, PRIMARY KEY (visit_id, sku)) WITHOUT ROWID;
CREATE INDEX lines_by_sku ON lines (sku, visit_id);
CREATE TABLE moments (
  visit_id TEXT, position INTEGER, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (visit_id, position)
) WITHOUT ROWID;
CREATE TABLE interactions (
  interaction_id TEXT PRIMARY KEY, position INTEGER NOT NULL, at_ns INTEGER NOT NULL, body TEXT NOT NULL, dismissed TEXT
) WITHOUT ROWID;
CREATE TABLE seen_in (visit_id TEXT, interaction_id TEXT, PRIMARY KEY (visit_id, interaction_id)) WITHOUT ROWID;
CREATE TABLE people (person_id INTEGER, visit_id TEXT, position INTEGER NOT NULL, PRIMARY KEY (person_id, visit_id)) WITHOUT ROWID;
CREATE INDEX people_of ON people (visit_id);
CREATE TABLE crossings (position INTEGER PRIMARY KEY, person_id INTEGER NOT NULL, at_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX crossings_of ON crossings (person_id);
CREATE TABLE reviews (
  review_id TEXT, visit_id TEXT, position INTEGER NOT NULL, is_open INTEGER NOT NULL, PRIMARY KEY (review_id, visit_id)
) WITHOUT ROWID;
CREATE INDEX reviews_of ON reviews (visit_id);
CREATE TABLE charges (
  visit_id TEXT, number INTEGER, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, logged TEXT, told TEXT,
  PRIMARY KEY (visit_id, number)
) WITHOUT ROWID;
CREATE TABLE receipts (visit_id TEXT PRIMARY KEY, total_minor INTEGER NOT NULL, currency TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE refunds (refund_key TEXT PRIMARY KEY, visit_id TEXT NOT NULL, amount_minor INTEGER NOT NULL, state TEXT NOT NULL)
  WITHOUT ROWID;
CREATE INDEX refunds_of ON refunds (visit_id);
CREATE TABLE disputes (dispute_id TEXT PRIMARY KEY, visit_id TEXT NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX disputes_of ON disputes (visit_id);
"""

SETTLE = """
UPDATE visits SET
  charge = COALESCE((SELECT COALESCE(told, logged) FROM charges c WHERE c.visit_id = visits.visit_id ORDER BY number DESC LIMIT 1), ''),
  total_minor = COALESCE((SELECT total_minor FROM receipts r WHERE r.visit_id = visits.visit_id),
                         (SELECT amount_minor FROM charges c WHERE c.visit_id = visits.visit_id AND number = 1)),
  currency = COALESCE((SELECT currency FROM receipts r WHERE r.visit_id = visits.visit_id),
                      (SELECT currency FROM charges c WHERE c.visit_id = visits.visit_id AND number = 1)),
  refunded_minor = (SELECT SUM(amount_minor) FROM refunds f WHERE f.visit_id = visits.visit_id),
  open_disputes = (SELECT COUNT(*) FROM disputes d WHERE d.visit_id = visits.visit_id AND d.state = 'open'),
  reviews = (SELECT COUNT(*) FROM reviews v WHERE v.visit_id = visits.visit_id),
  open_reviews = (SELECT COUNT(*) FROM reviews v WHERE v.visit_id = visits.visit_id AND is_open)
WHERE visit_id = ?
"""
"""Works out anew what a visit's row says of money and reviews, from what was told in whatever order."""
