ALTER TABLE platform.idempotency DROP COLUMN person;
DROP SCHEMA privacy CASCADE;
