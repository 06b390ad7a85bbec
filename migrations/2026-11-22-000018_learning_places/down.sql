DROP TABLE learning.payments;
ALTER TABLE learning.enrolments DROP COLUMN refund_until;
ALTER TABLE learning.enrolments DROP COLUMN payee_id;
ALTER TABLE learning.enrolments DROP COLUMN currency;
ALTER TABLE learning.enrolments DROP COLUMN price_minor;
DROP INDEX learning.enrolments_once;
UPDATE learning.enrolments SET state = 'withdrawn' WHERE state IN ('pending', 'lapsed');
CREATE UNIQUE INDEX enrolments_once ON learning.enrolments (course_id, student_id) WHERE state <> 'withdrawn';
ALTER TABLE learning.enrolments DROP CONSTRAINT enrolments_state_check;
ALTER TABLE learning.enrolments ADD CONSTRAINT enrolments_state_check
    CHECK (state IN ('active', 'completed', 'withdrawn'));
ALTER TABLE learning.enrolments DROP COLUMN cohort_id;
DROP TABLE learning.cohorts;
ALTER TABLE learning.courses DROP COLUMN currency;
ALTER TABLE learning.courses DROP COLUMN price_minor;
ALTER TABLE learning.timers DROP CONSTRAINT timers_once;
ALTER TABLE learning.timers DROP COLUMN correlation_id;
ALTER TABLE learning.timers DROP COLUMN version;
ALTER TABLE learning.timers ADD CONSTRAINT timers_machine_entity_id_task_key UNIQUE (machine, entity_id, task);
