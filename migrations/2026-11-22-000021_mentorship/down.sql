ALTER TABLE platform.mails DROP COLUMN calendar_part;
DROP SCHEMA career CASCADE;
