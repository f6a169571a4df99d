-- Two roles for the ledger's database on PostgreSQL: one for bots, one for the people who decide.
--
-- Run it as the owner of the tables, after `stripe-billing-router ledger upgrade` and one
-- `stripe-billing-router status` (which binds the ledger to its account), and again after every
-- upgrade:
--
--     psql "$OWNER_URL" --set ON_ERROR_STOP=1 --single-transaction --file deploy/postgres-roles.sql
--
-- Then give each bot, or each host of bots, a login of its own:
--
--     CREATE ROLE collector LOGIN PASSWORD '…' IN ROLE stripe_bots;
--     CREATE ROLE ann       LOGIN PASSWORD '…' IN ROLE stripe_operators;
--
-- Bots open operations, append entries, reserve, ask for approval, and record what fails a check.
-- They do not approve, unfreeze, resolve, delete, or edit what is decided, and freeze nobody but a
-- bot whose check failed. What they still can do is in docs/security.md.
--
-- Where webhooks are received and worked, the login is in both roles that this takes:
--
--     CREATE ROLE webhooks  LOGIN PASSWORD '…' IN ROLE stripe_bots, stripe_webhooks;

DO $roles$
BEGIN
    BEGIN
        CREATE ROLE stripe_bots NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE stripe_operators NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE stripe_webhooks NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    -- The tables are found by the search path, as the library finds them.
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM stripe_bots, stripe_operators, '
                   'stripe_webhooks', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO stripe_bots, stripe_operators, stripe_webhooks',
                   current_schema());
END
$roles$;

REVOKE ALL ON
    stripe_alembic_version, stripe_binding, stripe_operations, stripe_ledger, stripe_ledger_heads,
    stripe_journal, stripe_budgets, stripe_reservations, stripe_approvals, stripe_freezes,
    stripe_discrepancies, stripe_anomalies, stripe_outbox, stripe_outbox_cursors, stripe_inbox,
    stripe_inbox_objects
FROM PUBLIC;

-- Both read everything: a bot's replay is a read, and so is its look whether it is frozen.
GRANT SELECT ON
    stripe_alembic_version, stripe_binding, stripe_operations, stripe_ledger, stripe_ledger_heads,
    stripe_journal, stripe_budgets, stripe_reservations, stripe_approvals, stripe_freezes,
    stripe_discrepancies, stripe_anomalies, stripe_outbox, stripe_outbox_cursors, stripe_inbox,
    stripe_inbox_objects
TO stripe_bots, stripe_operators;

-- Bots: what a call writes.
GRANT INSERT ON
    stripe_operations, stripe_ledger, stripe_ledger_heads, stripe_journal, stripe_budgets,
    stripe_reservations, stripe_approvals, stripe_discrepancies, stripe_anomalies, stripe_outbox
TO stripe_bots;
GRANT USAGE ON SEQUENCE stripe_ledger_numbers TO stripe_bots;
GRANT UPDATE (
    state, region, effect_hash, steps, arguments, api_version, account_id, key_fingerprint,
    amount_minor, currency, customer_id, user_email, generation, skew_ms, started_ms, updated_ms,
    lease_token, lease_until_ms, lease_owner, outputs, outcome, blocks_until_ms,
    seal, outputs_seal, outcome_seal
) ON stripe_operations TO stripe_bots;
GRANT UPDATE (sequence, stream_sequence, entry_hash, event_sequence)
    ON stripe_ledger_heads TO stripe_bots;
GRANT UPDATE (used) ON stripe_budgets TO stripe_bots;
GRANT UPDATE (window_start_ms, rule, kind, amount, currency, state, updated_ms, restores)
    ON stripe_reservations TO stripe_bots;
GRANT UPDATE (state) ON stripe_approvals TO stripe_bots;
GRANT UPDATE (open_key, count, last_seen_ms) ON stripe_discrepancies TO stripe_bots;
GRANT UPDATE (window_key, severity, codex, exported, count, last_ms)
    ON stripe_anomalies TO stripe_bots;

-- Webhooks: what is received, and how far it is worked. Bots cannot forge an event.
GRANT INSERT ON stripe_inbox, stripe_inbox_objects TO stripe_webhooks;
GRANT UPDATE (state, applied, attempts, error, operation_id, updated_ms, due_ms, lease_token)
    ON stripe_inbox TO stripe_webhooks;
GRANT UPDATE (facts, updated_ms) ON stripe_inbox_objects TO stripe_webhooks;

-- Operators: what a decision writes. A freeze may also follow a failed check, in a bot's process.
GRANT INSERT ON stripe_freezes TO stripe_operators, stripe_bots;
GRANT UPDATE (unfrozen_by, unfrozen_ms) ON stripe_freezes TO stripe_operators;
GRANT UPDATE (state, decided_ms, decided_by, note) ON stripe_approvals TO stripe_operators;
GRANT UPDATE (state, outcome, updated_ms) ON stripe_operations TO stripe_operators;
-- Who carries events to sinks decides what the sinks miss: no bot does.
GRANT INSERT, UPDATE ON stripe_outbox_cursors TO stripe_operators;
GRANT UPDATE (
    open_key, state, acknowledged_by, acknowledged_ms, resolved_by, resolved_ms, note
) ON stripe_discrepancies TO stripe_operators;

-- Approvals: bots ask, and use up what is approved and in time; people decide what is open.
ALTER TABLE stripe_approvals ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_approvals_are_read ON stripe_approvals;
CREATE POLICY stripe_approvals_are_read ON stripe_approvals
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_approvals_are_asked ON stripe_approvals;
CREATE POLICY stripe_approvals_are_asked ON stripe_approvals
    FOR INSERT TO stripe_bots
    WITH CHECK (state = 'pending' AND decided_ms IS NULL AND decided_by IS NULL AND note IS NULL);
DROP POLICY IF EXISTS stripe_approvals_are_used ON stripe_approvals;
CREATE POLICY stripe_approvals_are_used ON stripe_approvals
    FOR UPDATE TO stripe_bots
    USING (state = 'approved' AND expires_ms > extract(epoch FROM clock_timestamp()) * 1000)
    WITH CHECK (state = 'used');
DROP POLICY IF EXISTS stripe_approvals_are_decided ON stripe_approvals;
CREATE POLICY stripe_approvals_are_decided ON stripe_approvals
    FOR UPDATE TO stripe_operators
    USING (state IN ('pending', 'approved'))
    WITH CHECK (state IN ('approved', 'rejected') AND decided_by IS NOT NULL);

-- Freezes: who froze stays; a freeze that has ended stays ended.
ALTER TABLE stripe_freezes ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_freezes_are_read ON stripe_freezes;
CREATE POLICY stripe_freezes_are_read ON stripe_freezes
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_freezes_begin ON stripe_freezes;
CREATE POLICY stripe_freezes_begin ON stripe_freezes
    FOR INSERT TO stripe_operators WITH CHECK (unfrozen_ms IS NULL AND unfrozen_by IS NULL);
DROP POLICY IF EXISTS stripe_freezes_follow_a_failed_check ON stripe_freezes;
CREATE POLICY stripe_freezes_follow_a_failed_check ON stripe_freezes
    FOR INSERT TO stripe_bots
    WITH CHECK (frozen_by = 'automated rollback' AND scope NOT LIKE '%*%'
                AND unfrozen_ms IS NULL AND unfrozen_by IS NULL);
DROP POLICY IF EXISTS stripe_freezes_end ON stripe_freezes;
CREATE POLICY stripe_freezes_end ON stripe_freezes
    FOR UPDATE TO stripe_operators
    USING (unfrozen_ms IS NULL)
    WITH CHECK (unfrozen_ms IS NOT NULL AND unfrozen_by IS NOT NULL);

-- Discrepancies: bots open and count them; people acknowledge and resolve them, once.
ALTER TABLE stripe_discrepancies ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_discrepancies_are_read ON stripe_discrepancies;
CREATE POLICY stripe_discrepancies_are_read ON stripe_discrepancies
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_discrepancies_are_opened ON stripe_discrepancies;
CREATE POLICY stripe_discrepancies_are_opened ON stripe_discrepancies
    FOR INSERT TO stripe_bots
    WITH CHECK (state = 'open' AND acknowledged_by IS NULL AND resolved_by IS NULL);
DROP POLICY IF EXISTS stripe_discrepancies_are_counted ON stripe_discrepancies;
CREATE POLICY stripe_discrepancies_are_counted ON stripe_discrepancies
    FOR UPDATE TO stripe_bots USING (state <> 'resolved') WITH CHECK (true);
DROP POLICY IF EXISTS stripe_discrepancies_are_decided ON stripe_discrepancies;
CREATE POLICY stripe_discrepancies_are_decided ON stripe_discrepancies
    FOR UPDATE TO stripe_operators
    USING (state <> 'resolved')
    WITH CHECK ((state = 'acknowledged' AND acknowledged_by IS NOT NULL)
                OR (state = 'resolved' AND resolved_by IS NOT NULL));

-- Operations: what is over stays as it is. People end what waits for them, and nothing else.
ALTER TABLE stripe_operations ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_operations_are_read ON stripe_operations;
CREATE POLICY stripe_operations_are_read ON stripe_operations
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_operations_are_opened ON stripe_operations;
CREATE POLICY stripe_operations_are_opened ON stripe_operations
    FOR INSERT TO stripe_bots
    WITH CHECK (state IN ('pending', 'awaiting_approval') AND outcome IS NULL);
DROP POLICY IF EXISTS stripe_operations_go_on ON stripe_operations;
CREATE POLICY stripe_operations_go_on ON stripe_operations
    FOR UPDATE TO stripe_bots
    USING (state NOT IN ('succeeded', 'failed', 'canceled')) WITH CHECK (true);
DROP POLICY IF EXISTS stripe_operations_are_rejected ON stripe_operations;
CREATE POLICY stripe_operations_are_rejected ON stripe_operations
    FOR UPDATE TO stripe_operators
    USING (state = 'awaiting_approval') WITH CHECK (state = 'canceled');

-- Budgets: counters begin at nothing, for bots.
ALTER TABLE stripe_budgets ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_budgets_are_read ON stripe_budgets;
CREATE POLICY stripe_budgets_are_read ON stripe_budgets
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_budgets_begin ON stripe_budgets;
CREATE POLICY stripe_budgets_begin ON stripe_budgets
    FOR INSERT TO stripe_bots WITH CHECK (used = 0);
DROP POLICY IF EXISTS stripe_budgets_count ON stripe_budgets;
CREATE POLICY stripe_budgets_count ON stripe_budgets
    FOR UPDATE TO stripe_bots USING (true) WITH CHECK (used >= 0);

-- A plan that is under way is frozen, whoever writes: only what has had no effect is planned anew.
CREATE OR REPLACE FUNCTION stripe_operations_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
    IF OLD.state NOT IN ('abandoned', 'awaiting_approval') AND
       (NEW.effect_hash, NEW.steps, NEW.arguments, NEW.account_id, NEW.api_version, NEW.region)
       IS DISTINCT FROM
       (OLD.effect_hash, OLD.steps, OLD.arguments, OLD.account_id, OLD.api_version, OLD.region)
    THEN
        RAISE EXCEPTION 'the plan of an operation under way does not change';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS stripe_operations_guard ON stripe_operations;
CREATE TRIGGER stripe_operations_guard BEFORE UPDATE ON stripe_operations
    FOR EACH ROW EXECUTE FUNCTION stripe_operations_guard();

-- The head of a stream goes forward, event by event; what is no event of doubt is an entry.
CREATE OR REPLACE FUNCTION stripe_ledger_heads_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
    IF NEW.event_sequence <> OLD.event_sequence + 1 OR (
        (NEW.stream_sequence, NEW.sequence, NEW.entry_hash) IS DISTINCT FROM
        (OLD.stream_sequence, OLD.sequence, OLD.entry_hash) AND
        (NEW.stream_sequence <> OLD.stream_sequence + 1 OR NEW.sequence <= OLD.sequence)
    ) THEN
        RAISE EXCEPTION 'the head of a stream only goes forward';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS stripe_ledger_heads_guard ON stripe_ledger_heads;
CREATE TRIGGER stripe_ledger_heads_guard BEFORE UPDATE ON stripe_ledger_heads
    FOR EACH ROW EXECUTE FUNCTION stripe_ledger_heads_guard();
