-- Courses, quizzes, grades and certificates. State, history, timers and the platform's outbox are written
-- in one transaction. People and files are ids: they are identity's and objects' matter.
CREATE SCHEMA learning;

-- What was published or graded is a record: it is added to, and never changed.
CREATE FUNCTION learning.is_a_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is a record and cannot be changed', TG_TABLE_NAME;
END $$;

CREATE TABLE learning.courses (
    id            uuid PRIMARY KEY,
    owner_id      uuid NOT NULL,
    title         text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    summary       text NOT NULL CHECK (char_length(summary) <= 2000),
    -- Courses that must be completed before.
    prerequisites uuid[] NOT NULL DEFAULT '{}',
    state         text NOT NULL CHECK (state IN ('draft', 'published', 'archived')),
    -- What the instructor works at; a version when it is published.
    draft         jsonb NOT NULL,
    -- The latest published version; 0 before the first.
    published     integer NOT NULL DEFAULT 0,
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE INDEX courses_published ON learning.courses (id DESC) WHERE state = 'published';
CREATE INDEX courses_owner ON learning.courses (owner_id, id DESC);

CREATE TABLE learning.course_versions (
    course_id    uuid NOT NULL REFERENCES learning.courses (id),
    number       integer NOT NULL CHECK (number > 0),
    content      jsonb NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (course_id, number)
);
CREATE TRIGGER course_versions_stay BEFORE UPDATE OR DELETE ON learning.course_versions
    FOR EACH ROW EXECUTE FUNCTION learning.is_a_record();

CREATE TABLE learning.enrolments (
    id             uuid PRIMARY KEY,
    course_id      uuid NOT NULL REFERENCES learning.courses (id),
    -- The version that the learner keeps.
    number         integer NOT NULL,
    student_id     uuid NOT NULL,
    -- Accessibility: so much more time, in percent.
    extra_time     integer NOT NULL DEFAULT 0 CHECK (extra_time BETWEEN 0 AND 300),
    -- Extensions of due dates, in hours.
    extension      integer NOT NULL DEFAULT 0 CHECK (extension BETWEEN 0 AND 8760),
    state          text NOT NULL CHECK (state IN ('active', 'completed', 'withdrawn')),
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    completed_at   timestamptz,
    FOREIGN KEY (course_id, number) REFERENCES learning.course_versions (course_id, number),
    CONSTRAINT completed_has_a_time CHECK ((state = 'completed') = (completed_at IS NOT NULL))
);
-- One that counts for a person and course; one who withdrew may begin anew.
CREATE UNIQUE INDEX enrolments_once ON learning.enrolments (course_id, student_id) WHERE state <> 'withdrawn';
CREATE INDEX enrolments_course ON learning.enrolments (course_id, id DESC);
CREATE INDEX enrolments_student ON learning.enrolments (student_id, id DESC);

CREATE TABLE learning.progress (
    enrolment_id uuid NOT NULL REFERENCES learning.enrolments (id),
    item_id      uuid NOT NULL,
    viewed       boolean NOT NULL DEFAULT false,
    -- The most of a video that was watched, in percent, and where to go on, in seconds.
    watched      integer NOT NULL DEFAULT 0 CHECK (watched BETWEEN 0 AND 100),
    position_s   integer NOT NULL DEFAULT 0 CHECK (position_s >= 0),
    submitted    boolean NOT NULL DEFAULT false,
    -- In hundredths of a percent.
    score        integer CHECK (score BETWEEN 0 AND 10000),
    done_at      timestamptz,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (enrolment_id, item_id)
);
-- Progress is monotone, whatever the code thinks: what was reached stays reached.
CREATE FUNCTION learning.no_step_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.viewed AND NOT NEW.viewed) OR NEW.watched < OLD.watched OR (OLD.submitted AND NOT NEW.submitted)
        OR (OLD.done_at IS NOT NULL AND NEW.done_at IS DISTINCT FROM OLD.done_at) THEN
        RAISE EXCEPTION 'progress does not go back';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER progress_only_grows BEFORE UPDATE ON learning.progress
    FOR EACH ROW EXECUTE FUNCTION learning.no_step_back();

CREATE TABLE learning.announcements (
    id         uuid PRIMARY KEY,
    course_id  uuid NOT NULL REFERENCES learning.courses (id),
    author_id  uuid NOT NULL,
    body       text NOT NULL CHECK (char_length(body) BETWEEN 1 AND 4000),
    created_at timestamptz NOT NULL
);
CREATE INDEX announcements_course ON learning.announcements (course_id, id DESC);

CREATE TABLE learning.banks (
    id         uuid PRIMARY KEY,
    owner_id   uuid NOT NULL,
    title      text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX banks_owner ON learning.banks (owner_id, id DESC);

-- Each revision of a question stays: an attempt names the one that was asked.
CREATE TABLE learning.questions (
    id         uuid NOT NULL,
    revision   integer NOT NULL CHECK (revision > 0),
    bank_id    uuid NOT NULL REFERENCES learning.banks (id),
    body       jsonb NOT NULL,
    -- Not drawn any more.
    retired    boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, revision)
);
CREATE INDEX questions_bank ON learning.questions (bank_id, id, revision DESC);
CREATE TRIGGER questions_stay BEFORE UPDATE OR DELETE ON learning.questions
    FOR EACH ROW EXECUTE FUNCTION learning.is_a_record();

CREATE TABLE learning.attempts (
    id           uuid PRIMARY KEY,
    enrolment_id uuid NOT NULL REFERENCES learning.enrolments (id),
    item_id      uuid NOT NULL,
    number       integer NOT NULL CHECK (number > 0),
    seed         bigint NOT NULL,
    -- The questions drawn, by id and revision, and how each is shuffled.
    paper        jsonb NOT NULL,
    answers      jsonb NOT NULL DEFAULT '{}',
    state        text NOT NULL CHECK (state IN
        ('in_progress', 'overdue', 'submitted', 'needs_grading', 'graded', 'regraded', 'abandoned')),
    -- Until when answers are taken, the grace apart; none without a time limit.
    deadline_at  timestamptz,
    -- The present grade, in hundredths of points; its history is in learning.grades.
    score        bigint,
    max_score    bigint NOT NULL CHECK (max_score > 0),
    grade        integer NOT NULL DEFAULT 0,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    submitted_at timestamptz,
    UNIQUE (enrolment_id, item_id, number)
);
-- One at a time: two tabs cannot begin two.
CREATE UNIQUE INDEX attempts_open ON learning.attempts (enrolment_id, item_id)
    WHERE state IN ('in_progress', 'overdue');
CREATE INDEX attempts_waiting ON learning.attempts (id) WHERE state = 'needs_grading';

CREATE TABLE learning.grades (
    attempt_id uuid NOT NULL REFERENCES learning.attempts (id),
    number     integer NOT NULL CHECK (number > 0),
    score      bigint NOT NULL,
    max_score  bigint NOT NULL,
    -- Each question's marks, and which revision of it they are by.
    marks      jsonb NOT NULL,
    reason     text NOT NULL,
    -- The instructor, if a person graded.
    graded_by  uuid,
    at         timestamptz NOT NULL,
    PRIMARY KEY (attempt_id, number)
);
CREATE TRIGGER grades_stay BEFORE UPDATE OR DELETE ON learning.grades
    FOR EACH ROW EXECUTE FUNCTION learning.is_a_record();

CREATE TABLE learning.submissions (
    id           uuid PRIMARY KEY,
    enrolment_id uuid NOT NULL REFERENCES learning.enrolments (id),
    item_id      uuid NOT NULL,
    body         text NOT NULL CHECK (char_length(body) <= 20000),
    files        uuid[] NOT NULL DEFAULT '{}',
    -- How late, in seconds; 0 in time.
    late_s       bigint NOT NULL DEFAULT 0 CHECK (late_s >= 0),
    state        text NOT NULL CHECK (state IN ('submitted', 'graded', 'returned')),
    -- In hundredths of a percent, the penalty taken off.
    score        integer CHECK (score BETWEEN 0 AND 10000),
    -- Points by criterion of the rubric, and what the instructor said.
    rubric       jsonb,
    note         text,
    graded_by    uuid,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX submissions_once ON learning.submissions (enrolment_id, item_id) WHERE state <> 'returned';
CREATE INDEX submissions_waiting ON learning.submissions (id) WHERE state = 'submitted';

CREATE SEQUENCE learning.status_index MINVALUE 0 START 0;

CREATE TABLE learning.certificates (
    id           uuid PRIMARY KEY,
    enrolment_id uuid NOT NULL REFERENCES learning.enrolments (id),
    course_id    uuid NOT NULL,
    student_id   uuid NOT NULL,
    -- As they were when it was issued.
    learner_name text NOT NULL,
    course_title text NOT NULL,
    state        text NOT NULL CHECK (state IN ('issued', 'revoked')),
    -- Its place in the status list.
    status_index bigint NOT NULL UNIQUE DEFAULT nextval('learning.status_index'),
    -- The credential as it was signed (a JWT), and by which key.
    credential   text NOT NULL,
    key_id       text NOT NULL,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX certificates_live ON learning.certificates (enrolment_id) WHERE state = 'issued';
CREATE INDEX certificates_student ON learning.certificates (student_id, id DESC);

-- Keys that credentials are signed with; old ones stay, so that what they signed can be verified.
CREATE TABLE learning.signing_keys (
    id         text PRIMARY KEY,
    -- PKCS #8.
    private    bytea NOT NULL,
    public     bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE UNIQUE INDEX signing_keys_one ON learning.signing_keys ((true)) WHERE retired_at IS NULL;

-- Every step that anything took.
CREATE TABLE learning.history (
    machine        text NOT NULL,
    entity_id      uuid NOT NULL,
    version        bigint NOT NULL,
    transition     text NOT NULL,
    from_state     text,
    to_state       text NOT NULL,
    actor          text NOT NULL,
    actor_id       uuid,
    data           jsonb NOT NULL DEFAULT '{}',
    correlation_id text NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (machine, entity_id, version)
);

-- What time has to do.
CREATE TABLE learning.timers (
    id        uuid PRIMARY KEY,
    machine   text NOT NULL,
    entity_id uuid NOT NULL,
    task      text NOT NULL,
    due_at    timestamptz NOT NULL,
    attempts  integer NOT NULL DEFAULT 0,
    error     text,
    UNIQUE (machine, entity_id, task)
);
CREATE INDEX timers_due ON learning.timers (due_at);
