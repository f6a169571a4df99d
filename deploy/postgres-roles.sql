-- Two roles for the ledger's database on PostgreSQL: one for bots, one for the people who decide.
--
-- Run it as the owner of the tables, after `stripe-billing-router ledger upgrade` and one
-- `stripe-billing-router status` (which binds the ledger to its account), and again after every
-- upgrade:
--
--     psql "$OWNER_URL" --set ON_ERROR_STOP=1 --single-transaction --file deploy/postgres-roles.sql
--
-- It needs the owner of the tables and, the first time, somebody who may create roles. An owner who
-- may not has them made before, by whoever administers the server:
--
--     CREATE ROLE stripe_bots NOLOGIN; CREATE ROLE stripe_operators NOLOGIN;
--     CREATE ROLE stripe_webhooks NOLOGIN;
--
-- Then give each bot, or each host of bots, a login of its own, people theirs, and the process that
-- receives and works webhooks one that no bot has:
--
--     CREATE ROLE collector LOGIN PASSWORD '…' IN ROLE stripe_bots;
--     CREATE ROLE ann       LOGIN PASSWORD '…' IN ROLE stripe_operators;
--     CREATE ROLE webhooks  LOGIN PASSWORD '…' IN ROLE stripe_bots, stripe_webhooks;
--
-- A login that is listed in stripe_logins writes for the bots listed there, and for nobody else's
-- stream; one that is not listed may write for every bot, but freeze none:
--
--     INSERT INTO stripe_logins VALUES ('collector', 'finance:collector');
--
-- No login is a bot's and a person's: it would have the rights of both. Whoever is in stripe_bots
-- decides nothing, whatever other role they are in.
--
-- Bots open operations, append entries, reserve, ask for approval, and record what fails a check.
-- They do not approve, unfreeze, resolve, delete, or edit what is decided, and freeze only bots that
-- are their own. What they still can do is in docs/security.md.

DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['stripe_bots', 'stripe_operators', 'stripe_webhooks'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = name);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'the role % is missing, and % may not create roles', name,
                    current_user
                    USING HINT = format('Have an administrator run: CREATE ROLE %I NOLOGIN', name);
        END;
    END LOOP;
    -- The tables are found by the search path, as the library finds them.
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM stripe_bots, stripe_operators, '
                   'stripe_webhooks', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO stripe_bots, stripe_operators, stripe_webhooks',
                   current_schema());
END
$roles$;

-- Who may write for which bots; the owner lists them.
CREATE TABLE IF NOT EXISTS stripe_logins (
    login name NOT NULL,
    bot_id text NOT NULL,
    PRIMARY KEY (login, bot_id)
);
REVOKE ALL ON stripe_logins FROM PUBLIC, stripe_bots, stripe_operators, stripe_webhooks;

CREATE OR REPLACE FUNCTION stripe_is_own(bot text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER AS $own$
    SELECT EXISTS (SELECT FROM stripe_logins WHERE login = session_user AND bot_id = bot)
$own$;
CREATE OR REPLACE FUNCTION stripe_may_write_for(bot text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER AS $may$
    SELECT bot IS NULL OR bot = '_system'
        OR NOT EXISTS (SELECT FROM stripe_logins WHERE login = session_user)
        OR EXISTS (SELECT FROM stripe_logins WHERE login = session_user AND bot_id = bot)
$may$;
CREATE OR REPLACE FUNCTION stripe_may_count_for(operation text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER AS $may$
    SELECT NOT EXISTS (SELECT FROM stripe_logins WHERE login = session_user)
        OR EXISTS (SELECT FROM stripe_operations JOIN stripe_logins USING (bot_id)
                   WHERE login = session_user AND operation_id = operation)
        OR pg_has_role(session_user, 'stripe_webhooks', 'MEMBER') -- a renewal is no operation
$may$;
CREATE OR REPLACE FUNCTION stripe_is_a_person() RETURNS boolean
LANGUAGE sql STABLE AS $person$
    SELECT NOT pg_has_role(session_user, 'stripe_bots', 'MEMBER')
$person$;

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

-- Of a domain, how far its tables are migrated; what else of them each role needs, its own script grants.
DO $domains$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
                AND tablename LIKE 'stripe\_%\_alembic\_version' LOOP
        EXECUTE format('GRANT SELECT ON %I TO stripe_bots, stripe_operators', name);
    END LOOP;
END
$domains$;

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
    WITH CHECK (state = 'pending' AND decided_ms IS NULL AND decided_by IS NULL AND note IS NULL
                AND expires_ms <= extract(epoch FROM clock_timestamp()) * 1000 + 90000000
                AND stripe_may_write_for(bot_id));
DROP POLICY IF EXISTS stripe_approvals_are_used ON stripe_approvals;
CREATE POLICY stripe_approvals_are_used ON stripe_approvals
    FOR UPDATE TO stripe_bots
    USING (state = 'approved' AND expires_ms > extract(epoch FROM clock_timestamp()) * 1000)
    WITH CHECK (state = 'used');
DROP POLICY IF EXISTS stripe_approvals_are_decided ON stripe_approvals;
CREATE POLICY stripe_approvals_are_decided ON stripe_approvals
    FOR UPDATE TO stripe_operators
    USING (state IN ('pending', 'approved') AND stripe_is_a_person())
    WITH CHECK (state IN ('approved', 'rejected') AND decided_by IS NOT NULL
                AND stripe_is_a_person());

-- Freezes: who froze stays; a freeze that has ended stays ended.
ALTER TABLE stripe_freezes ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_freezes_are_read ON stripe_freezes;
CREATE POLICY stripe_freezes_are_read ON stripe_freezes
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_freezes_begin ON stripe_freezes;
CREATE POLICY stripe_freezes_begin ON stripe_freezes
    FOR INSERT TO stripe_operators
    WITH CHECK (unfrozen_ms IS NULL AND unfrozen_by IS NULL AND stripe_is_a_person());
DROP POLICY IF EXISTS stripe_freezes_follow_a_failed_check ON stripe_freezes;
CREATE POLICY stripe_freezes_follow_a_failed_check ON stripe_freezes
    FOR INSERT TO stripe_bots
    WITH CHECK (frozen_by = 'automated rollback' AND stripe_is_own(scope)
                AND unfrozen_ms IS NULL AND unfrozen_by IS NULL);
DROP POLICY IF EXISTS stripe_freezes_end ON stripe_freezes;
CREATE POLICY stripe_freezes_end ON stripe_freezes
    FOR UPDATE TO stripe_operators
    USING (unfrozen_ms IS NULL AND stripe_is_a_person())
    WITH CHECK (unfrozen_ms IS NOT NULL AND unfrozen_by IS NOT NULL AND stripe_is_a_person());

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
    FOR UPDATE TO stripe_bots USING (state <> 'resolved')
    WITH CHECK (state = 'open' OR state = 'acknowledged');
DROP POLICY IF EXISTS stripe_discrepancies_are_decided ON stripe_discrepancies;
CREATE POLICY stripe_discrepancies_are_decided ON stripe_discrepancies
    FOR UPDATE TO stripe_operators
    USING (state <> 'resolved' AND stripe_is_a_person())
    WITH CHECK (stripe_is_a_person()
                AND ((state = 'acknowledged' AND acknowledged_by IS NOT NULL)
                     OR (state = 'resolved' AND resolved_by IS NOT NULL)));

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
    USING (state = 'awaiting_approval' AND stripe_is_a_person())
    WITH CHECK (state = 'canceled' AND stripe_is_a_person());
DROP POLICY IF EXISTS stripe_operations_are_its_own ON stripe_operations;
CREATE POLICY stripe_operations_are_its_own ON stripe_operations AS RESTRICTIVE
    FOR INSERT TO stripe_bots WITH CHECK (stripe_may_write_for(bot_id));
DROP POLICY IF EXISTS stripe_operations_stay_its_own ON stripe_operations;
CREATE POLICY stripe_operations_stay_its_own ON stripe_operations AS RESTRICTIVE
    FOR UPDATE TO stripe_bots USING (stripe_may_write_for(bot_id)) WITH CHECK (true);

-- Budgets: counters begin at nothing, for bots.
ALTER TABLE stripe_budgets ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_budgets_are_read ON stripe_budgets;
CREATE POLICY stripe_budgets_are_read ON stripe_budgets
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_budgets_begin ON stripe_budgets;
CREATE POLICY stripe_budgets_begin ON stripe_budgets
    FOR INSERT TO stripe_bots
    WITH CHECK (used = 0 AND (counter LIKE '%/*'
                              OR stripe_may_write_for(substring(counter FROM '[^/]*$'))));
DROP POLICY IF EXISTS stripe_budgets_count ON stripe_budgets;
CREATE POLICY stripe_budgets_count ON stripe_budgets
    FOR UPDATE TO stripe_bots
    USING (counter LIKE '%/*' OR stripe_may_write_for(substring(counter FROM '[^/]*$')))
    WITH CHECK (used >= 0);
ALTER TABLE stripe_reservations ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_reservations_are_read ON stripe_reservations;
CREATE POLICY stripe_reservations_are_read ON stripe_reservations
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_reservations_begin ON stripe_reservations;
CREATE POLICY stripe_reservations_begin ON stripe_reservations
    FOR INSERT TO stripe_bots
    WITH CHECK (stripe_may_count_for(operation_id)
                AND (counter LIKE '%/*'
                     OR stripe_may_write_for(substring(counter FROM '[^/]*$'))));
DROP POLICY IF EXISTS stripe_reservations_count ON stripe_reservations;
CREATE POLICY stripe_reservations_count ON stripe_reservations
    FOR UPDATE TO stripe_bots USING (stripe_may_count_for(operation_id));

-- Streams: a login that is listed writes its own bots' only.
ALTER TABLE stripe_ledger ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_ledger_is_read ON stripe_ledger;
CREATE POLICY stripe_ledger_is_read ON stripe_ledger
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_ledger_grows ON stripe_ledger;
CREATE POLICY stripe_ledger_grows ON stripe_ledger
    FOR INSERT TO stripe_bots
    WITH CHECK (stripe_may_write_for(stream) AND stripe_may_write_for(bot_id)
                AND stream = coalesce(bot_id, '_system'));
ALTER TABLE stripe_ledger_heads ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_ledger_heads_are_read ON stripe_ledger_heads;
CREATE POLICY stripe_ledger_heads_are_read ON stripe_ledger_heads
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_ledger_heads_begin ON stripe_ledger_heads;
CREATE POLICY stripe_ledger_heads_begin ON stripe_ledger_heads
    FOR INSERT TO stripe_bots
    WITH CHECK (stripe_may_write_for(stream) AND stream_sequence = 0 AND event_sequence = 0
                AND sequence IS NULL);
DROP POLICY IF EXISTS stripe_ledger_heads_move ON stripe_ledger_heads;
CREATE POLICY stripe_ledger_heads_move ON stripe_ledger_heads
    FOR UPDATE TO stripe_bots USING (stripe_may_write_for(stream)) WITH CHECK (true);
ALTER TABLE stripe_outbox ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS stripe_outbox_is_read ON stripe_outbox;
CREATE POLICY stripe_outbox_is_read ON stripe_outbox
    FOR SELECT TO stripe_bots, stripe_operators USING (true);
DROP POLICY IF EXISTS stripe_outbox_grows ON stripe_outbox;
CREATE POLICY stripe_outbox_grows ON stripe_outbox
    FOR INSERT TO stripe_bots WITH CHECK (stripe_may_write_for(stream));

-- A plan that is under way is frozen, whoever writes: only what has had no effect is planned anew.
-- It begins in the statement that plans it, with a new seal: that of a holder of a key, which a bot's
-- login alone cannot make, and without which nothing is sent.
-- Nobody can tell here who takes an operation out of doubt. For a day, an equal call without a key
-- believes it under the seal of a holder of a key only.
CREATE OR REPLACE FUNCTION stripe_operations_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
DECLARE
    now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
    NEW.blocks_until_ms := greatest(OLD.blocks_until_ms, NEW.blocks_until_ms);
    IF OLD.idempotency_key IS NULL AND (
        OLD.state IN ('unknown', 'requires_action')
        OR OLD.state = 'pending' AND (
            OLD.lease_until_ms < now_ms OR NEW.lease_owner IS DISTINCT FROM OLD.lease_owner
            OR NEW.state <> 'pending' AND OLD.started_ms + 5000 < now_ms))
    THEN
        NEW.doubted_until_ms := now_ms + 86400000;
    END IF;
    IF (NEW.effect_hash, NEW.steps, NEW.arguments, NEW.account_id, NEW.api_version, NEW.region,
        NEW.amount_minor, NEW.currency, NEW.customer_id, NEW.skew_ms, NEW.started_ms, NEW.seal)
       IS DISTINCT FROM
       (OLD.effect_hash, OLD.steps, OLD.arguments, OLD.account_id, OLD.api_version, OLD.region,
        OLD.amount_minor, OLD.currency, OLD.customer_id, OLD.skew_ms, OLD.started_ms, OLD.seal)
    THEN
        IF NOT (OLD.state IN ('abandoned', 'awaiting_approval') AND NEW.state = 'pending'
                AND OLD.lease_token IS NULL AND NEW.lease_token IS NOT NULL
                OR OLD.state = 'awaiting_approval' AND NEW.state = 'awaiting_approval')
        THEN
            RAISE EXCEPTION 'the plan of an operation under way does not change';
        END IF;
        IF NEW.seal IS NULL OR NEW.seal IS NOT DISTINCT FROM OLD.seal THEN
            RAISE EXCEPTION 'a new plan has a new seal';
        END IF;
        IF NEW.started_ms < OLD.started_ms THEN
            RAISE EXCEPTION 'an earlier plan does not come back';
        END IF;
    END IF;
    IF OLD.state = 'abandoned' AND NOT (
        NEW.state = 'succeeded' OR NEW.state = 'pending' AND NEW.seal IS DISTINCT FROM OLD.seal
    ) THEN
        RAISE EXCEPTION 'what was given up begins under a new seal, or has happened after all';
    END IF;
    IF OLD.state <> 'awaiting_approval' AND NEW.state = 'awaiting_approval' THEN
        RAISE EXCEPTION 'what has begun does not wait for an approval any more';
    END IF;
    IF OLD.state = 'awaiting_approval' AND NOT (
        NEW.state IN ('awaiting_approval', 'canceled')
        OR NEW.state = 'pending' AND NEW.seal IS DISTINCT FROM OLD.seal
    ) THEN
        RAISE EXCEPTION 'what waits for an approval begins under a new seal, or is canceled';
    END IF;
    IF NEW.state IN ('succeeded', 'failed', 'canceled') AND OLD.state <> 'awaiting_approval'
       AND (NEW.outcome_seal IS NULL OR NEW.outcome_seal IS NOT DISTINCT FROM OLD.outcome_seal)
    THEN
        RAISE EXCEPTION 'what is over says so under a new seal';
    END IF;
    IF NEW.state = 'abandoned' AND OLD.state <> 'abandoned'
       AND (OLD.state NOT IN ('pending', 'unknown') OR NEW.outcome IS NULL
            OR NEW.outcome_seal IS NULL)
    THEN
        RAISE EXCEPTION 'what is given up says so under a seal';
    END IF;
    IF NEW.generation <> OLD.generation
       AND NOT (NEW.state = 'abandoned' AND NEW.generation = OLD.generation + 1)
    THEN
        RAISE EXCEPTION 'only what is given up begins anew';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS stripe_operations_guard ON stripe_operations;
CREATE TRIGGER stripe_operations_guard BEFORE UPDATE ON stripe_operations
    FOR EACH ROW EXECUTE FUNCTION stripe_operations_guard();

-- What an operation holds of a counter is given back, or settled, when the operation is over.
CREATE OR REPLACE FUNCTION stripe_reservations_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
    IF OLD.state = 'reserved' AND (
        NEW.state <> 'reserved' AND NOT EXISTS (
            SELECT FROM stripe_operations WHERE operation_id = NEW.operation_id
            AND state IN ('succeeded', 'failed', 'canceled', 'abandoned'))
        OR NEW.state = 'reserved' AND NEW.amount < OLD.amount)
    THEN
        RAISE EXCEPTION 'an operation holds its part of a counter until it is over';
    END IF;
    IF OLD.state = 'settled' AND NEW.state <> 'settled' AND NOT (
        OLD.kind = 'calls' AND NEW.state = 'reserved' AND EXISTS (
            SELECT FROM stripe_operations
            WHERE operation_id = NEW.operation_id AND state = 'pending'))
    THEN
        RAISE EXCEPTION 'what is settled stays so';
    END IF;
    IF (NEW.window_start_ms, NEW.kind, NEW.currency, NEW.restores) IS DISTINCT FROM
       (OLD.window_start_ms, OLD.kind, OLD.currency, OLD.restores)
       AND (OLD.state = 'reserved' OR NEW.state <> 'reserved'
            OR (NEW.kind, NEW.currency) IS DISTINCT FROM (OLD.kind, OLD.currency)
            OR NEW.window_start_ms < OLD.window_start_ms OR NEW.window_start_ms % 3600000 <> 0
            OR NEW.window_start_ms > extract(epoch FROM clock_timestamp()) * 1000
            OR NOT EXISTS (SELECT FROM stripe_operations
                           WHERE operation_id = NEW.operation_id AND state = 'pending'))
    THEN
        RAISE EXCEPTION 'what is held is held of one counter, in one window';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS stripe_reservations_guard ON stripe_reservations;
CREATE TRIGGER stripe_reservations_guard BEFORE UPDATE ON stripe_reservations
    FOR EACH ROW EXECUTE FUNCTION stripe_reservations_guard();

-- The number of an entry is drawn for it: one of somebody's own making would stop those who come after.
CREATE OR REPLACE FUNCTION stripe_ledger_is_numbered() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
    IF NEW.sequence <> currval('stripe_ledger_numbers') THEN
        RAISE EXCEPTION 'the number of an entry is drawn for it';
    END IF;
    RETURN NEW;
END
$guard$;
DROP TRIGGER IF EXISTS stripe_ledger_is_numbered ON stripe_ledger;
CREATE TRIGGER stripe_ledger_is_numbered BEFORE INSERT ON stripe_ledger
    FOR EACH ROW EXECUTE FUNCTION stripe_ledger_is_numbered();

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

-- At the end of a transaction every place of a stream is the next one, and its head is its last.
CREATE OR REPLACE FUNCTION stripe_streams_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
DECLARE
    head stripe_ledger_heads;
BEGIN
    SELECT * INTO head FROM stripe_ledger_heads WHERE stream = NEW.stream;
    IF TG_TABLE_NAME = 'stripe_outbox' THEN
        IF head.event_sequence IS NULL OR NEW.sequence > head.event_sequence THEN
            RAISE EXCEPTION 'an event has the next number of its stream';
        END IF;
        IF NEW.name = 'operation.unknown' AND NOT EXISTS (
               SELECT FROM stripe_operations
               WHERE operation_id = NEW.operation_id AND bot_id = NEW.stream
                 AND amount_minor IS NOT DISTINCT FROM NEW.amount_minor)
           OR NEW.name <> 'operation.unknown' AND split_part(NEW.name, '.', 1) IN (
               'operation', 'payment', 'charge', 'refund', 'subscription', 'checkout_session',
               'customer', 'anomaly', 'mismatch') AND NOT EXISTS (
               SELECT FROM stripe_ledger
               WHERE stream = NEW.stream AND id = coalesce(NEW.stripe_id, NEW.operation_id)
                 AND action_type = NEW.action
                 AND (split_part(NEW.name, '.', 2) = coalesce(status, 'recorded')
                      OR NEW.name = 'payment.refunded' AND status = 'succeeded')
                 AND (timestamp_ms, operation_id, amount_minor, currency) IS NOT DISTINCT FROM
                     (NEW.at_ms, NEW.operation_id, NEW.amount_minor, NEW.currency))
        THEN
            RAISE EXCEPTION 'what became of an operation is told with an entry';
        END IF;
    ELSIF TG_TABLE_NAME = 'stripe_ledger' THEN
        IF head.stream_sequence IS NULL OR NEW.stream_sequence > head.stream_sequence
           OR NEW.sequence > head.sequence
           OR NEW.stream_sequence > 1 AND NOT EXISTS (
               SELECT FROM stripe_ledger AS before
               WHERE before.stream = NEW.stream
                 AND before.stream_sequence = NEW.stream_sequence - 1
                 AND before.entry_hash = NEW.previous_hash)
        THEN
            RAISE EXCEPTION 'an entry takes the next place of its stream';
        END IF;
    ELSE
        IF head.stream_sequence > 0 AND NOT EXISTS (
               SELECT FROM stripe_ledger AS last
               WHERE last.sequence = head.sequence AND last.stream = head.stream
                 AND last.stream_sequence = head.stream_sequence
                 AND last.entry_hash = head.entry_hash)
           OR head.event_sequence > 0 AND NOT EXISTS (
               SELECT FROM stripe_outbox
               WHERE stream = head.stream AND sequence = head.event_sequence)
        THEN
            RAISE EXCEPTION 'the head of a stream is its last entry and event';
        END IF;
    END IF;
    RETURN NULL;
END
$guard$;
DROP TRIGGER IF EXISTS stripe_ledger_takes_its_place ON stripe_ledger;
CREATE CONSTRAINT TRIGGER stripe_ledger_takes_its_place AFTER INSERT ON stripe_ledger
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stripe_streams_guard();
DROP TRIGGER IF EXISTS stripe_outbox_takes_its_place ON stripe_outbox;
CREATE CONSTRAINT TRIGGER stripe_outbox_takes_its_place AFTER INSERT ON stripe_outbox
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stripe_streams_guard();
DROP TRIGGER IF EXISTS stripe_ledger_heads_are_last ON stripe_ledger_heads;
CREATE CONSTRAINT TRIGGER stripe_ledger_heads_are_last AFTER INSERT OR UPDATE ON stripe_ledger_heads
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stripe_streams_guard();

-- Every function finds the tables of this schema first: whoever may make a temporary table could put
-- one of the same name before them. And nobody makes temporary tables here, where that may be said.
DO $paths$
DECLARE
    guard regprocedure;
BEGIN
    FOR guard IN SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
                 AND starts_with(proname, 'stripe_') AND prokind = 'f'
                 AND pg_has_role(proowner, 'USAGE') LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', guard, current_schema());
    END LOOP;
END
$paths$;

DO $temporary$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('stripe_bots'));
    IF EXISTS (SELECT FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS may
               WHERE datname = current_database() AND may.grantee = 0
                 AND may.privilege_type = 'TEMPORARY') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE WARNING 'the owner of the database has to revoke TEMPORARY on it from PUBLIC';
END
$temporary$;
