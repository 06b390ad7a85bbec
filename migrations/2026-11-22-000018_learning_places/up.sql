-- Places in courses: paid ones, cohorts, and timers of the shared executor.

-- Steps set their timers for a version: those of an older one do nothing.
ALTER TABLE learning.timers ADD COLUMN version bigint NOT NULL DEFAULT 0;
ALTER TABLE learning.timers ADD COLUMN correlation_id text;
ALTER TABLE learning.timers DROP CONSTRAINT timers_machine_entity_id_task_key;
ALTER TABLE learning.timers ADD CONSTRAINT timers_once UNIQUE (machine, entity_id, task, version);

-- What a place costs, in the currency's minor units; none: it is free.
ALTER TABLE learning.courses ADD COLUMN price_minor bigint CHECK (price_minor > 0);
ALTER TABLE learning.courses ADD COLUMN currency text;
ALTER TABLE learning.courses ADD CONSTRAINT price_has_a_currency CHECK ((price_minor IS NULL) = (currency IS NULL));

-- A group that learns together, with dates of its own.
CREATE TABLE learning.cohorts (
    id              uuid PRIMARY KEY,
    course_id       uuid NOT NULL REFERENCES learning.courses (id),
    title           text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    -- Due dates count from here; nothing can be taken before.
    starts_at       timestamptz NOT NULL,
    -- Nobody joins after.
    closes_at       timestamptz,
    places          integer CHECK (places BETWEEN 1 AND 100000),
    -- Of everybody's due dates in it, in hours.
    extension       integer NOT NULL DEFAULT 0 CHECK (extension BETWEEN 0 AND 8760),
    version         bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    UNIQUE (course_id, id)
);
CREATE INDEX cohorts_course ON learning.cohorts (course_id, id DESC);

ALTER TABLE learning.enrolments ADD COLUMN cohort_id uuid;
ALTER TABLE learning.enrolments ADD FOREIGN KEY (course_id, cohort_id) REFERENCES learning.cohorts (course_id, id);
CREATE INDEX enrolments_cohort ON learning.enrolments (cohort_id) WHERE cohort_id IS NOT NULL;
-- A paid place waits for its payment, and is given up when none comes.
ALTER TABLE learning.enrolments DROP CONSTRAINT enrolments_state_check;
ALTER TABLE learning.enrolments ADD CONSTRAINT enrolments_state_check
    CHECK (state IN ('pending', 'active', 'completed', 'withdrawn', 'lapsed'));
DROP INDEX learning.enrolments_once;
CREATE UNIQUE INDEX enrolments_once ON learning.enrolments (course_id, student_id)
    WHERE state NOT IN ('withdrawn', 'lapsed');
-- What the place costs and who is paid, as agreed when it was taken.
ALTER TABLE learning.enrolments ADD COLUMN price_minor bigint CHECK (price_minor > 0);
ALTER TABLE learning.enrolments ADD COLUMN currency text;
ALTER TABLE learning.enrolments ADD COLUMN payee_id uuid;
-- Until when withdrawing gives the money back; at the latest then it goes to the instructor.
ALTER TABLE learning.enrolments ADD COLUMN refund_until timestamptz;

-- The provider's payments for places. The money itself is in schema ledger.
CREATE TABLE learning.payments (
    id            uuid PRIMARY KEY,
    enrolment_id  uuid NOT NULL REFERENCES learning.enrolments (id),
    provider      text NOT NULL,
    provider_ref  text,
    client_secret text,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    currency      text NOT NULL,
    state         text NOT NULL CHECK (state IN
        ('created', 'pending', 'held', 'failed', 'returning', 'returned', 'releasing', 'released', 'charged_back')),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT payments_ref UNIQUE (provider, provider_ref)
);
CREATE INDEX payments_enrolment ON learning.payments (enrolment_id, id);
